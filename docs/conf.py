"""The documentation site: `make docs` builds it from the pages beside this file, the gallery and the docstrings."""

import importlib.metadata
import inspect
import re
from importlib import import_module
from pathlib import Path

from numpy.typing import ArrayLike
from sphinx.util.typing import stringify_annotation

DOCS = Path(__file__).parent
project, author = "isotropy", "The isotropy developers"
release = importlib.metadata.version("isotropy")
extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_gallery.gen_gallery",
]  # fmt: skip
exclude_patterns = ["site", "templates", "auto_examples/*.ipynb", "auto_examples/*.zip", "auto_examples/README.rst"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
root_doc = "index"
html_theme = "pydata_sphinx_theme"
html_title = f"isotropy {release}"
html_static_path, html_css_files, templates_path = ["static"], ["site.css"], ["templates"]
html_theme_options = {
    "show_toc_level": 1,
    "navigation_with_keys": False,
    "navbar_center": [],
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sphinx = html_show_sourcelink = False
copyright = author
html_sidebars = {"**": ["all-pages"]}
html_context = {"default_mode": "auto"}
toc_object_entries_show_parents = "hide"
myst_heading_anchors = 3
# What our docstrings put between single backquotes is code.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_custom_sections = ["Source"]
napoleon_use_ivar = True
# Docstrings are plain text for readers of the code; where reStructuredText wants other indentation it still shows them.
suppress_warnings = ["config.cache", "docutils"]
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "plot_",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "within_subsection_order": "FileNameSortKey",
    "write_computation_times": False,
    "plot_gallery": True,
}
# What the reference shows: every public name of these.
PACKAGES = [
    "isotropy", "isotropy.methods", "isotropy.objectives", "isotropy.views", "isotropy.encoders", "isotropy.nn",
    "isotropy.data", "isotropy.training", "isotropy.diagnostics", "isotropy.evaluation", "isotropy.representation",
    "isotropy.search", "isotropy.clusters", "isotropy.audit", "isotropy.finetuning", "isotropy.export",
    "isotropy.scale",
]  # fmt: skip


def public(package):
    """Return the public names of a package: its `__all__`, or the classes and functions of ours that it exports."""
    module = import_module(package)
    names = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    found = [name for name in names if callable(getattr(module, name)) and hasattr(getattr(module, name), "__module__")]
    return sorted(name for name in found if getattr(module, name).__module__.startswith("isotropy"))


def write_reference():
    """Write a page of the reference for each package: what its docstrings say of every public name."""
    folder = DOCS / "reference"
    folder.mkdir(exist_ok=True)
    seen = set()
    for package in PACKAGES:
        title = package
        lines = [title, "=" * len(title), "", f".. automodule:: {package}", "   :no-members:", ""]
        for name in public(package):
            thing = getattr(import_module(package), name)
            # A name that several packages export is described where it is listed first.
            if id(thing) not in seen:
                seen.add(id(thing))
                kind = "autoclass" if isinstance(thing, type) else "autofunction"
                lines += [f".. {kind}:: {package}.{name}", *["   :members:"] * (kind == "autoclass"), ""]
        text = "\n".join(lines)
        path = folder / f"{package}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    index = [
        "Reference",
        "=========",
        "",
        ".. toctree::",
        "   :maxdepth: 1",
        "",
        *(f"   {one}" for one in PACKAGES),
        "",
    ]
    (folder / "index.rst").write_text("\n".join(index))


def one_a_line(app, what, name, thing, options, lines):
    """Give every argument and attribute of a docstring a line of its own: several may share one in the source."""
    known = _names_of(thing) if what in ("class", "function", "method") else set()
    if not known:
        return
    one = "|".join(sorted(map(re.escape, known), key=len, reverse=True))
    begin = re.compile(rf"(?<=[.;\])]) (?=(?:{one})(?:, (?:{one}))*: )")
    section, found = False, []
    for line in lines:
        if line and not line.startswith(" "):
            section = line in ("Args:", "Attributes:")
        head, *rest = begin.split(line) if section and line.startswith("    ") else [line]
        found += [head, *("    " + part for part in rest)]
    lines[:] = found


def _names_of(thing):
    """Return the names of what is called with, and of the attributes of a class."""
    try:
        names = set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        names = set()
    return names | set(getattr(thing, "__annotations__", {}))


def as_code(app, what, name, thing, options, lines):
    """Show what the docstring of a package indents as code."""
    if what == "module":
        for place in range(len(lines) - 1, 0, -1):
            if lines[place].startswith("    ") and not lines[place - 1] and not lines[place - 2].startswith("    "):
                lines[place:place] = ["::", ""]


def as_text(app, what, name, thing, options, lines):
    """Keep bars, stars and trailing underscores of a docstring, outside of its code, as they are."""
    if "::" in lines:
        return
    for place, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("`")
            parts[::2] = [re.sub(r"([|*]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
            lines[place] = "`".join(parts)


def short_types(app, what, name, thing, options, signature, returns):
    """Call numpy's ArrayLike by its name: Sphinx writes the twelve types that it stands for."""
    wide = stringify_annotation(ArrayLike, "smart"), stringify_annotation(ArrayLike, "fully-qualified-except-typing")
    for one in wide:
        signature = signature and signature.replace(one, "ArrayLike")
    return signature, returns


def leave_out(app, what, name, thing, skip, options):
    """Leave out what scikit-learn gives every estimator; its own pages describe that."""
    return skip or (name.startswith("set_") and name.endswith("_request"))


def inside(app, docname, source):
    """Turn links that leave the pages, to files of the checkout, into the name of the file."""
    folder = (DOCS / docname).parent

    def shown(link):
        text, target = link.group(1), link.group(2)
        path = (folder / target.split("#")[0]).resolve()
        if "://" in target or path.is_relative_to(DOCS) or not target.split("#")[0]:
            return link.group(0)
        place = path.relative_to(DOCS.parent)
        return text if text.strip("`") == str(place) else f"{text} (`{place}`)"

    source[0] = re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", shown, source[0])


def write_llms(app, problem):
    """Write llms.txt: every page with its first sentence, for programs that read."""
    if problem or app.builder.name != "html":
        return
    lines = [
        "# isotropy",
        "",
        "> Train an encoder on unlabelled tables, series or images; search, cluster and audit the rows.",
        "",
    ]
    for name in sorted(app.env.found_docs):
        path = Path(app.env.doc2path(name))
        text = re.sub(r"<!--.*?-->", "", path.read_text(), flags=re.DOTALL)
        title = app.env.titles[name].astext()
        paragraphs = [
            " ".join(one.split()) for one in text.split("\n\n")[1:] if one[:1].isalpha() and "\n===" not in one
        ]
        lines.append(f"- [{title}]({name}.html): {paragraphs[0].split('. ')[0] if paragraphs else title}")
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines) + "\n")


def setup(app):
    """Connect what is made before, while and after the pages are read."""
    write_reference()
    app.connect("source-read", inside)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-signature", short_types)
    app.connect("autodoc-process-docstring", as_code, priority=80)
    app.connect("autodoc-process-docstring", one_a_line, priority=90)
    app.connect("autodoc-process-docstring", as_text, priority=100)
    app.connect("build-finished", write_llms)
