"""Puts the pages of the repository together for mdBook, and looks at what it made.

    python3 docs/site.py prepare FOLDER   writes FOLDER/book.toml and FOLDER/src
    python3 docs/site.py check FOLDER     says which links of FOLDER/book lead nowhere

The pages are written for GitHub. Some lie at the root of the repository, and some link to files that are no pages. On the site
all pages lie side by side. A link to another file leads to REPOSITORY_URL, such as https://github.com/OWNER/REPOSITORY/blob/main,
if that is set, and is plain text otherwise.
"""

import os
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
# `[text](target)`, not within code.
LINK = re.compile(r"(`+[^`]*`+)|(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def pages():
    """The pages of the table of contents, and the name that each has on the site."""
    links = re.findall(r"\]\(([^)]+\.md)\)", (DOCS / "SUMMARY.md").read_text(encoding="utf-8"))
    sources = [(DOCS / link).resolve() for link in links]
    return {source: source.name.lower() for source in sources}


def rewritten(text, source, names, repository):
    def link(match):
        code, picture, label, target = match.groups()
        if code or "://" in target or target.startswith(("#", "mailto:")):
            return match[0]
        file, anchor = urldefrag(target)
        path = (source.parent / file).resolve()
        if path == ROOT / "README.md":
            path = DOCS / "index.md"
        if path in names:
            return f"{picture}[{label}]({names[path]}{'#' + anchor if anchor else ''})"
        if path.is_relative_to(DOCS / "images"):
            return f"{picture}[{label}]({path.relative_to(DOCS).as_posix()})"
        if not repository or not path.is_relative_to(ROOT):
            return label
        return f"{picture}[{label}]({repository.rstrip('/')}/{path.relative_to(ROOT).as_posix()})"

    # Blocks of code stay as they are.
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if index % 2 else LINK.sub(link, part) for index, part in enumerate(parts))


def prepare(folder):
    # What an earlier run made, and nothing else.
    for made in ("src", "book"):
        shutil.rmtree(folder / made, ignore_errors=True)
    (folder / "src").mkdir(parents=True)
    shutil.copy(DOCS / "book.toml", folder)
    if (DOCS / "images").exists():
        shutil.copytree(DOCS / "images", folder / "src/images")
    names = pages()
    for source, name in [*names.items(), (DOCS / "SUMMARY.md", "SUMMARY.md")]:
        text = rewritten(source.read_text(encoding="utf-8"), source, names, os.environ.get("REPOSITORY_URL"))
        (folder / "src" / name).write_text(text, encoding="utf-8")


class Links(HTMLParser):
    """What a page of the site links to, and where one can link to in it."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.add(attributes.get("id"))
        self.targets += [attributes[name] for name in ("href", "src") if attributes.get(name)]


def check(folder):
    book = folder / "book"
    parsed = {path: Links(path.read_text(encoding="utf-8")) for path in sorted(book.glob("*.html"))}
    count = 0
    for path, page in parsed.items():
        for target in page.targets:
            if re.match(r"[a-z]+:|//", target):
                continue
            count += 1
            file, anchor = urldefrag(unquote(target))
            # The page for what does not exist is served from anywhere.
            aim = path if not file else book / file.lstrip("/") if file.startswith("/") else (path.parent / file).resolve()
            if not aim.exists():
                yield f"{path.name}: {target} leads nowhere"
            elif anchor and aim in parsed and anchor not in parsed[aim].anchors:
                yield f"{path.name}: {target} has no such heading"
    if count < 500:
        yield f"only {count} links were looked at"


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("prepare", "check"):
        sys.exit(__doc__)
    command, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    if folder == ROOT or ROOT.is_relative_to(folder) or folder.is_relative_to(DOCS):
        sys.exit(f"{folder} holds the pages themselves: name another folder")
    if command == "prepare":
        prepare(folder)
        return
    faults = list(check(folder))
    print("\n".join(faults) or f"{folder / 'book/index.html'}: every link leads somewhere")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
