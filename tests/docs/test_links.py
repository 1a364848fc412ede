"""Whatever a page leads to is there."""

from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, anchors, links, prose


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in links(prose(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_every_page_is_in_the_index() -> None:
    assert set(links(prose(DOCS / "index.md"))) >= {page.name for page in DOCS.glob("*.md")} - {"index.md"}


def test_the_readme_leads_to_the_index() -> None:
    (readme, *_) = PAGES

    assert "docs/index.md" in links(prose(readme))
