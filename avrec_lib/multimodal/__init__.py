"""Text, picture and sound in one model: the article's, made to run (page 5.3), and the full one (chapter 7).

Import the module you need. In the order of the data:

- *the article's model*: `config`, `arrays`, `article`, `keras_twin`, `convert`, `personal`, `fitting`, `known`,
  `impressions`;
- *what is read*: `settings`, `raw`, `lsa`, `frozen`, `scale`, `perceive`, `inputs`, `clip_inputs`, `dataset`,
  `made_up`;
- *the full model*: `readers`, `tuned`, `whisper_encoder`, `joining`, `user_tower`, `tastes`, `model`, `losses`;
- *training*: `batches`, `gathering`, `steps`, `training_state`, `trainer`, with `processes`, `checkpoints`, `stops`,
  `logs`;
- *judging and measuring*: `judging`, `sizes`, `speed`, `profiling`, `cards`, `gpu_runs`;
- *serving*: `tables`, `serving_tables`, `catalogue`, `serving`, `batch_scoring`, `export`, `onnx_files`, `exported`;
- *all of it*: `runs`, `run_folders`, and `commands`, which is `avrec train` and what follows it.
"""
