"""Each page with code offers its student notebook in the download menu, above the page's own source."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def offer_notebook(app: Sphinx, page: str, _: str, context: dict[str, Any], __: nodes.document | None) -> None:
    """Add the notebook to the theme's download menu; it lies beside the pages, written after them."""
    folder = app.config.student_notebooks
    if not folder or "kernelspec" not in app.env.metadata.get(page, {}):
        return
    for menu in context.get("header_buttons", []):
        if menu["label"] == "download-buttons":
            menu["buttons"].insert(
                0,
                {
                    "type": "link",
                    "url": context["pathto"](f"{folder}/{page}.ipynb", resource=True),
                    "text": ".ipynb",
                    "tooltip": "Download as a notebook to work in, without solutions",
                    "icon": "fas fa-pencil",
                    "label": "download-notebook-button",
                },
            )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_config_value("student_notebooks", "", "html")  # folder of the notebooks, from the root of the site
    app.connect("html-page-context", offer_notebook, priority=900)  # after the theme has made its menu
    return {"parallel_read_safe": True, "parallel_write_safe": True}
