"""The words of `lexicon`: English, Chinese, emoji and 弹幕 slang, each with how strongly it praises or blames.

Page 4.2.2. Written from memory for this book, not taken from another lexicon and not read off any of the
comments that the book tests on: a list tuned on them would be a leak. A phrase has "_" between its words.
Strength 3 is strong, 2 clear, 1 mild. Some things are left out because they mean both: 😭 and 呜呜 (grief,
or moved to tears, or laughing), 破防, 💀, "sick", "like". A word of strength 0 is there to keep a part of it
from being counted: 好像 ("it seems") does not praise because it has 好 ("good") in it.
"""

from __future__ import annotations

PRAISE = {
    3: """
        amazing awesome banger breathtaking brilliant excellent fantastic flawless gorgeous incredible legend
        legendary love loved loves loving magnificent masterpiece obsessed outstanding perfect perfection perfectly
        phenomenal spectacular stunning superb unbelievable wonderful goat best the_best mind_blowing
        can't_get_enough couldn't_be_better never_gets_old blew_me_away chef's_kiss 永远的神 yyds 绝绝子 绝了 神作
        封神 完美 天花板 无敌 牛逼 牛批 牛掰 nb 惊艳 震撼 爱了 最爱 宝藏 神仙 大师 满分 百看不厌 百听不厌 太强了 tql
        杰作 无可挑剔 叹为观止 😍 🥰 🤩 💯 🏆
    """,
    2: """
        adorable appreciate beautiful beautifully blessed bravo calming charming clever cool creative cute delicious
        delightful elegant enjoy enjoyable enjoyed enjoying enjoys entertaining epic excited exciting fabulous
        fascinating favorite favourite fun funny genius glad good great grateful happy helped helpful hilarious
        hooked impressed impressive informative inspired inspiring interesting joy joyful lovely lit nice poggers
        pretty recommend recommended refreshing relaxing satisfying slay smart smooth soothing stylish sweet talent
        talented tasty terrific thank thanks thankful treasure underrated useful valuable wholesome wow worth yay
        yummy well_done good_job great_job nice_work thumbs_up i_like i_liked really_like really_liked
        like_this_a_lot can't_wait made_me_smile made_me_laugh keep_it_up hats_off so_much_fun worth_it on_point
        looking_forward goosebumps learned_a_lot 喜欢 好看 好听 好吃 好玩 好用 好喝 好笑 好评 漂亮 美丽 美味 精彩
        厉害 优秀 出色 有趣 有意思 可爱 感动 泪目 开心 快乐 高兴 幸福 舒服 治愈 棒 赞 点赞 支持 推荐 感谢 谢谢 多谢
        不错 给力 实用 有用 有帮助 干货 佩服 帅 酷 美 香 爱 良心 用心 走心 上头 惊喜 燃 爽 解压 牛 学到了 学会了
        一键三连 三连 期待 满意 温柔 温暖 专业 过瘾 带感 种草 享受 有才 才华 高级 高手 大佬 真香 值得 值了 赏心悦目
        悦耳 动听 神了 太强 细腻 生动 爷青回 没毛病 停不下来 意犹未尽 看哭了 听哭了 起鸡皮疙瘩 循环播放 单曲循环
        宝藏up awsl kswl zqsg 3q ❤ 💖 💕 💗 💓 💙 💚 💛 💜 🧡 👍 👏 🔥 😊 😁 😻 🎉 🙌 😋 🫶 😘 🥳 🤗
    """,
    1: """
        better calm catchy clear clean comfy cosy cozy crisp decent easy fine fresh haha hahaha hehe lol lmao rofl
        pog solid well yes_please 好 还行 还不错 还好 加油 撒花 哈哈 嘻嘻 嘿嘿 啊啊 笑死 笑死我 笑喷 笑哭 搞笑 清晰
        清新 轻松 舒缓 流畅 催更 顶 稳 没错 可以的 甜 暖 暖心 放松 666 2333 hhh xswl xs 😂 🤣 😄 😃 😀 🙂 😆 😎 ✨ 🙏
        💪 😌 😉 👌 🌟 😇
    """,
}
BLAME = {
    3: """
        abysmal atrocious awful disgusting dreadful garbage hate hated hates horrible horrendous pathetic revolting
        terrible trash unbearable unwatchable vile worst the_worst waste_of_time want_my_time_back makes_me_sick 垃圾
        恶心 烂片 辣眼睛 差劲 智商税 骗子 吐了 糟糕透顶 一塌糊涂 烂透 🤮 🤬 💩
    """,
    2: """
        annoying annoyed bad badly bored boring bore clickbait crap cringe cringy disappointed disappointing
        disappointment dislike disliked dull dumb fail failed fake flop frustrating gross irritating lame lazy
        misleading mess nonsense overrated painful pointless poor poorly ridiculous rubbish ruin ruined ruins scam
        shame spam stupid suck sucks tedious terribly tiresome trashy ugly unfunny unpleasant unsubscribed
        unsubscribe useless waste wasted weak worse wrong yawn yikes fell_asleep falling_asleep gave_up turned_it_off
        not_worth no_thanks thumbs_down let_down too_long too_loud too_slow too_short too_fast too_quiet too_dark
        can't_stand so_what 难看 难听 难吃 难用 无聊 没意思 无语 尴尬 失望 讨厌 糟糕 糟 差 差评 劝退 浪费 浪费时间 骗
        骗人 标题党 太水 水视频 敷衍 下头 烦 吵 吵死 假 虚假 误导 看不下去 听不下去 弃了 弃剧 取关 举报 后悔 踩雷
        避雷 翻车 拉胯 拉垮 尬 丑 土味 抄袭 恰饭 生气 气死 离谱 枯燥 乏味 啰嗦 冗长 没劲 没用 没意义 无用 鸡肋 毁了
        难受 胡说 扯淡 烂 烂尾 看睡着 听睡着 催眠曲 差远了 太长 太短 太吵 太慢 太快 太暗 太假 👎 😡 😠 🤢 😤 💔 🤡 🥱
    """,
    1: """
        awkward bland blurry cheap cheesy confused confusing forgettable generic hard_to_follow lacking loud mediocre
        meh mid noisy predictable repetitive sad shaky skip skipped sloppy unclear unfortunately weird
        nothing_special nothing_new seen_better could_be_better 呵呵 一般 一般般 平庸 就这 遗憾 可惜 难过 伤心 卡顿
        模糊 糊 看不懂 听不清 看不清 听不懂 麻烦 老套 俗套 套路 重复 催眠 乱 跑题 太多广告 广告太多 没新意 没什么新意
        奇怪 😒 🙄 😑 😴 😞 😔 😩 😫 😐 😕 🙁 ☹ 😖 🤦 😬 😪
    """,
}
NO_OPINION = """
    good_morning good_night good_evening good_luck good_question as_well well_known at_best at_least best_of_luck
    best_friend best_way pretty_much no_idea not_sure fun_fact love_song love_story hate_to_say cool_down 好像 好久
    好几 好多 好些 好奇 你好 您好 大家好 刚好 正好 最好 爱好 只好 好处 好友 好人 好不好 好的 讨好 不知道 不得不 不仅
    不只 不但 不光 不断 不同 不用 不少 不止 不久 不管 差不多 差别 差异 差点 时差 出差 没想到 没事 没关系 不好意思
    别人 区别 别的 分别 个别 告别 级别 性别 假期 放假 请假 假如 假装 假设 真假 水果 水平 美国 美术 美食 美妆 爱情
    爱人 香港 香菜 香水 香肠 香蕉 土豆 甜点 甜品 牛肉 牛奶 牛排 牛仔 燃料 燃烧 酷暑 赞助 棒球 糊涂 面糊 烂漫 帅哥
    美女 顶部 屋顶 头顶 稳定 凌乱 乱炖 无论 未来 难道 冰糖 糖 一般来说 有没有 是不是 会不会 能不能 喜不喜欢 要不要
    好看吗 好吃吗 好听吗 好玩吗 好用吗 有用吗
"""
NEGATORS = """
    not no never none nobody nothing neither nor without hardly barely cannot don't doesn't didn't isn't wasn't
    aren't weren't won't wouldn't couldn't shouldn't hasn't haven't hadn't ain't can't lacks lack 不 没 没有 别 不是
    不够 不太 不怎么 不那么 不算 并不 毫无 无 未 从不 从没 从来不 从来没 从来没有 从未 绝不 一点也不 一点都不 不会
    不能 没法 没那么 没什么 称不上 算不上
"""
STRONGER = """
    very really so such super extremely incredibly absolutely totally truly utterly completely insanely ridiculously
    too pretty damn freaking quite most highly deeply way 很 非常 太 超 超级 特别 真 真的 真是 好 十分 极其 极 最 巨
    贼 绝对 完全 简直 实在 相当 更 尤其 这么 那么 如此 过于 老
"""
WEAKER = """
    slightly somewhat kinda kind_of sort_of a_bit a_little bit fairly mildly almost 有点 有点儿 有些 稍微 比较 还算
    略 略微 一丢丢 勉强
"""
STRONGER_AFTER = "死了 极了 爆了 翻了 坏了 惨了 透了 得很 得不得了 到爆 死我了 a_lot so_much"
CONTRAST = "but however although yet 但 但是 可是 然而 不过 只是"
EMOTICONS = {
    ":)": "🙂",
    ":-)": "🙂",
    "(:": "🙂",
    ":d": "😀",
    "xd": "😆",
    "<3": "❤",
    ":(": "🙁",
    ":-(": "🙁",
    ":'(": "🙁",
}
