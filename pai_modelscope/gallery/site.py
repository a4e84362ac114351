"""The site as a folder of files: it needs no server and asks no other machine for anything."""

import json
import os
import shutil
from pathlib import Path

from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.files import publish
from pai_modelscope.gallery.draw import absent, draw
from pai_modelscope.gallery.index import Entry, Index
from pai_modelscope.gallery.notebooks import Notebook, Pair, alternative, read_notebooks, render

Shot = dict[str, object]  # a picture, or a pair of them, as the templates see it
_STATIC = Path(__file__).parent / "static"
_QUALITY = 82  # of WebP: below, flat drawings get fringes
_MARK = 'content="pai-modelscope gallery"'  # in every page: a folder with such an index is ours to replace
_STATES = {
    "not executed": "这个 Notebook 还没有运行，因此没有结果",
    "stopped on an error": "上次运行中途出错，后面的结果缺失",
    "executed in another version": "结果来自另一个版本的 Notebook",
}


def build_site(index: Index, *, sources: Path, executed: Path, output: Path, kept: Path) -> Path:
    """Draw what is not drawn yet, render all pages, and give the finished folder its name; gives its first page.

    `sources`: the folder of notebooks; `executed`: their copies with outputs; `kept`: where drawings stay for the next
    build. A folder `output` of an earlier build is replaced. Warns of training results and notebook outputs that are
    missing. Raises `UserError` if `output` holds something else, or something cannot be read, drawn or written.
    """
    _check_free(output)
    notebooks = read_notebooks(sources, executed)
    drawn = draw(index.entries, kept)
    scratch = output.parent / f".{output.name}.{os.getpid()}"
    try:
        scratch.mkdir(parents=True)
        made = scratch / output.name
        shutil.copytree(_STATIC, made)
        _Site(made, index, notebooks, drawn).write()
        publish(made, output)
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"{output} can't be written ({why}): make room or give another folder with --output") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return output / "index.html"


def _check_free(output: Path) -> None:
    first = output / "index.html"
    is_gallery = first.is_file() and _MARK in first.read_text(encoding="utf-8", errors="ignore")
    if output.exists() and not is_gallery and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output} exists and is no gallery: it is not replaced; give another folder with --output")


class _Site:
    """The pages of one build, in a folder of its own."""

    def __init__(
        self, folder: Path, index: Index, notebooks: list[Notebook], drawn: dict[str, list[Image.Image]]
    ) -> None:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        self.folder, self.index, self.notebooks = folder, index, notebooks
        self.search: list[dict[str, str]] = []
        loader = PackageLoader("pai_modelscope.gallery")
        self.pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        for name in ("pictures", "notebooks"):
            (folder / name).mkdir()
        shots = {entry.key: self._shot(entry, drawn[entry.key]) for entry in index.entries if entry.key in drawn}
        self.shots = shots
        self.groups = [
            (group, [shots[entry.key] for entry in group.entries if entry.key in shots]) for group in index.groups
        ]
        self.pairs = [shots[entry.key] for entry in index.pairs if entry.key in shots]

    def write(self) -> None:
        for group, shots in self.groups:
            for shot in shots:
                self._find(
                    str(shot["caption"]), f"{shot['prompt']} {group.title}", f"#p-{shot['key']}", str(shot["file"])
                )
        for place, book in enumerate(self.notebooks):
            self._notebook(place, book)
        for pair in self.pairs:
            self._find(str(pair["caption"]), f"{pair['prompt']} 前后对比", f"#p-{pair['key']}", str(pair["after"]))
        self._index()
        data = json.dumps(self.search, ensure_ascii=False, separators=(",", ":"))
        self._text("search-data.js", f"window.GALLERY_SEARCH = {data};\n")  # a script: files may not fetch JSON

    def _index(self) -> None:
        groups = [{**vars(group), "shots": shots} for group, shots in self.groups if shots]
        covers = {name: self.shots[key] for name, key in self.index.covers.items() if key in self.shots}
        books = [
            {**vars(book), "name": book.name, "state": _STATES.get(book.state, "")}
            | {"cover": covers[book.name].get("after", covers[book.name]["file"]) if book.name in covers else ""}
            for book in self.notebooks
        ]
        shots = [shot for group in groups for shot in group["shots"]]
        plain = [shot for shot in shots if shot["command"] and shot["model"] == self.index.model]
        self._page(
            "index.html",
            "index.html",
            groups=groups,
            pairs=self.pairs,
            notebooks=books,
            hero=next(iter(plain), None),
            mosaic=_spread(plain, 8),
            count=len(shots),
        )

    def _notebook(self, place: int, book: Notebook) -> None:
        figures = []
        for number, picture in enumerate(book.figures):
            saved = self._save(picture, f"{book.name}-{number + 1}")
            alt = alternative(book, number)
            size = f'width="{saved["width"]}" height="{saved["height"]}"'
            figures.append(f'<img src="../{saved["file"]}" alt="{alt}" {size} loading="lazy">')
        made = [self._pair(book, number, pair) for number, pair in enumerate(book.pairs)]
        self.pairs += made
        slider = self.pages.get_template("parts.html").module.slider  # type: ignore[attr-defined]
        body = render(book, figures, [slider("../", {**pair, "link": ""}) for pair in made])
        neighbours = [*self.notebooks[:place][-1:], None][0], [*self.notebooks[place + 1 :], None][0]
        context = {**vars(book), "name": book.name, "state": _STATES.get(book.state, "")}
        self._page(
            "notebook.html",
            f"notebooks/{book.name}.html",
            book=context,
            body=body,
            before=neighbours[0],
            after=neighbours[1],
        )
        shutil.copyfile(book.source, self.folder / "notebooks" / book.source.name)
        for section in book.sections:
            title = book.title if section.title == book.title else f"{book.title} · {section.title}"
            self._find(title, section.text, f"notebooks/{book.name}.html#{section.anchor}")

    def _shot(self, entry: Entry, pictures: list[Image.Image]) -> Shot:
        """An entry as the templates see it."""
        shot: Shot = {
            **vars(entry),
            "caption": entry.caption,
            "python": entry.call,
            "alt": entry.description,
            "link": "",
        }
        if entry.notebook:
            shot |= {"link": f"notebooks/{entry.notebook}.html", "link_text": "在 Notebook 里看它是怎样来的"}
        if not entry.pair:
            return shot | self._save(pictures[0], entry.key)
        before, after = (
            self._save(picture, f"{entry.key}-{part}") for picture, part in zip(pictures, "ab", strict=True)
        )
        alts = {"before_alt": f"{entry.caption}：之前", "after_alt": f"{entry.caption}：之后，{entry.description}"}
        return shot | after | alts | {"before": before["file"], "after": after["file"]}

    def _pair(self, book: Notebook, number: int, pair: Pair) -> Shot:
        """A pair of a notebook as the templates see it."""
        key = f"{book.name}-pair{number + 1}"
        before, after = (
            self._save(picture, f"{key}-{part}") for picture, part in zip(pair.pictures, "ab", strict=True)
        )
        link = f"notebooks/{book.name}.html#{pair.anchor}"
        alts = {"before_alt": f"{pair.caption}：之前", "after_alt": f"{pair.caption}：之后"}
        where = {"link": link, "link_text": f"出自《{book.title}》", "before": before["file"], "after": after["file"]}
        return {"key": key, "caption": pair.caption, "start": 50, "prompt": "", "python": "", **after, **alts, **where}

    def _save(self, picture: Image.Image, name: str) -> Shot:
        """Write a picture into the site; give its file and its size."""
        file = f"pictures/{name}.webp"
        picture.save(self.folder / file, "WEBP", quality=_QUALITY, method=6)
        return {"file": file, "width": picture.width, "height": picture.height}

    def _find(self, title: str, text: str, url: str, picture: str = "") -> None:
        """Have the search find it."""
        address = f"index.html{url}" if url.startswith("#") else url
        self.search.append({"title": title, "text": text, "url": address} | ({"picture": picture} if picture else {}))

    def _page(self, template: str, path: str, **values: object) -> None:
        has_pairs = bool(self.pairs) or any(book.pairs for book in self.notebooks)
        root = "../" * path.count("/")
        common = {"index": self.index, "root": root, "notes": self._notes(), "has_pairs": has_pairs}
        self._text(path, self.pages.get_template(template).render(**common, **values))

    def _notes(self) -> list[str]:
        """What this build lacks, for its readers."""
        missing = absent(self.index.entries)
        titles = [group.title for group in self.index.groups if set(missing) & set(group.entries)]
        lacking = [book.title for book in self.notebooks if book.state]
        notes = [f"这次构建少了 {len(missing)} 张图，因为还没有训练：{'、'.join(titles)}。"] if missing else []
        return notes + (
            [f"{len(lacking)} 个 Notebook 没有当前版本的完整结果：{'、'.join(lacking)}。"] if lacking else []
        )

    def _text(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text, encoding="utf-8")


def _spread(shots: list[Shot], count: int) -> list[Shot]:
    """Take some pictures of the wall, from its beginning to its end."""
    return [shots[place * len(shots) // count] for place in range(min(count, len(shots)))]
