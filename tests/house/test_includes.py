"""The sources against the table of rooms (rooms.py): every #include, every linked library, names and lengths.
Reads text only; nothing is built."""

import pathlib
import re
import subprocess

import pytest
import rooms

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
LINK = re.compile(r"target_link_libraries\s*\(\s*(\S+)([^)]*)\)")
SOURCE = {".cpp", ".h"}


def files():
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, check=True).stdout.decode().split("\0")
    return sorted(path for path in listed if path and (ROOT / path).is_file())


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


FILES = files()


def room_of(path):
    """The innermost room of the table that a path lies in; None outside all of them."""
    folder = str(pathlib.PurePosixPath(path).parent)
    fitting = [room for room in rooms.ARROWS if folder == room or folder.startswith(room + "/")]
    return max(fitting, key=len, default=None)


SOURCES = [path for path in FILES if pathlib.PurePosixPath(path).suffix in SOURCE and room_of(path)]


def seen_by(path):
    """(ours, foreign): what a file includes."""
    found = INCLUDE.findall(text(path))
    return [ours for ours, _ in found if ours], [foreign for _, foreign in found if foreign]


def wrong_arrows():
    wrong = set()
    for path in SOURCES:
        allowed = (room_of(path), *rooms.ARROWS[room_of(path)])
        wrong |= {(path, seen) for seen in seen_by(path)[0] if room_of(seen) not in allowed}
    return wrong


def test_every_folder_of_the_rooms_is_in_the_table():
    folders = {path.parent for path in map(pathlib.PurePosixPath, SOURCES)}
    # A folder inside a room may divide it further; folders right below trainer/ and services/ are rooms.
    unknown = [str(folder) for folder in folders
               if folder.parts[0] in ("trainer", "services") and len(folder.parts) > 1
               and "/".join(folder.parts[:2]) not in rooms.ARROWS]
    assert not unknown, f"{unknown}: add the room to tests/house/rooms.py and say what it may see"
    assert len(SOURCES) > 100


def test_includes_follow_the_arrows():
    wrong = sorted(wrong_arrows() - rooms.KNOWN_WRONG)
    assert not wrong, "\n".join(
        f"{path} includes {seen}: {room_of(path)}/ may see {', '.join(rooms.ARROWS[room_of(path)]) or 'nobody'}"
        for path, seen in wrong)


def test_known_wrong_arrows_are_still_there():
    gone = sorted(rooms.KNOWN_WRONG - wrong_arrows())
    assert not gone, f"mended, so take them out of KNOWN_WRONG in tests/house/rooms.py: {gone}"
    if rooms.KNOWN_WRONG:
        pytest.skip(f"{len(rooms.KNOWN_WRONG)} arrows still point the wrong way: " + "; ".join(
            f"{path} → {seen}" for path, seen in sorted(rooms.KNOWN_WRONG)))


def library_rooms():
    """Library or program → its room, and room → libraries it links, from the CMakeLists.txt of the rooms."""
    owner, links = {}, {}
    for path in FILES:
        room = room_of(path)
        if not path.endswith("CMakeLists.txt") or room is None:
            continue
        lists = re.sub(r"#.*", "", text(path))
        for name in re.findall(r"add_(?:library|executable)\s*\(\s*(\S+)", lists):
            owner[name] = room
        for name, linked in LINK.findall(lists):
            links.setdefault(name, set()).update(
                word for word in linked.split() if word not in ("PUBLIC", "PRIVATE", "INTERFACE"))
    return owner, links


def test_libraries_link_along_the_arrows():
    owner, links = library_rooms()
    assert len(owner) > 10
    wrong = []
    for name, linked in links.items():
        room = owner[name]
        for other in sorted(linked & owner.keys()):
            # services/ builds one library of its rooms, so a link out of services/ is judged by the room services.
            if owner[other] != room and owner[other] not in rooms.ARROWS[room]:
                wrong.append(f"{name} ({room}/) links {other} ({owner[other]}/)")
    assert not wrong, "\n".join(wrong)


def test_foreign_libraries_stay_in_their_rooms():
    wrong = []
    for path in SOURCES:
        for header in seen_by(path)[1]:
            for prefix, allowed in rooms.FOREIGN.items():
                if header != prefix and not (prefix.endswith("/") and header.startswith(prefix)):
                    continue
                reader = prefix == "nlohmann/" and path in rooms.READERS_OF_FOREIGN_FILES
                if room_of(path) not in allowed and not reader:
                    wrong.append(f"{path} includes <{header}>, which belongs in {', '.join(allowed)} only")
    assert not wrong, "\n".join(wrong)


def test_listed_readers_of_foreign_files_exist_and_read_json():
    for path in rooms.READERS_OF_FOREIGN_FILES:
        assert path in FILES, f"{path} is gone: take it out of tests/house/rooms.py"
        assert any(header.startswith("nlohmann/") for header in seen_by(path)[1]), f"{path} reads no JSON any more"


def test_names_say_what_is_inside():
    wrong = [path for path in FILES for part in pathlib.PurePosixPath(path).parts
             if set(re.split(r"[_.\-]", part.lower())) & set(rooms.NAMELESS)]
    assert not wrong, f"{wrong}: a noun is missing"


def test_files_are_short_enough_to_read():
    lengths = {path: text(path).count("\n") for path in SOURCES}
    long = {path: lines for path, lines in lengths.items() if lines > rooms.LONGER.get(path, rooms.LINES)}
    assert not long, f"{long}: over {rooms.LINES} lines; cut them where they fall apart"
    short = [path for path in rooms.LONGER if lengths.get(path, 0) <= rooms.LINES]
    assert not short, f"{short} need no exception in tests/house/rooms.py any more"


def test_contributing_shows_the_table():
    page = text("CONTRIBUTING.md")
    assert rooms.BEGIN in page and rooms.END in page
    shown = page.split(rooms.BEGIN)[1].split(rooms.END)[0].strip()
    assert shown == rooms.table(), "put what `python3 tests/house/rooms.py` prints between the marks"
