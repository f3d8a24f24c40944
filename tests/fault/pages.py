"""What a power cut leaves of a folder.

disk.c notes what a server does to the files of its folder; Disk replays that, page by page, as a
kernel keeps them: a write changes the page in memory, a sync brings what was changed before it to
the disk. When a sync fails, the pages it was for count as written all the same, and what was in them
reaches the disk only if they are changed once more: that is what Linux does, and why a failed sync
must not be repeated (X9). A file has its name only once its folder is synced.

A cut keeps what is on the disk, and of the changes that are not, any: each page by itself, maybe
only the first sectors of it. The -shm file of SQLite is never on a disk: nobody syncs it."""
import os
import struct

PAGE = 4096
SECTOR = 512
HEAD = struct.Struct("<IBBHQII")
MAGIC = 0x4C554146
WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, CREATE, RENAME, UNLINK, SEND = range(1, 9)


def records(log):
    """(kind, ok, path, number, data) of each record; one that a kill cut short ends it."""
    at = 0
    while at + HEAD.size <= len(log):
        magic, kind, ok, path_len, number, size, _ = HEAD.unpack_from(log, at)
        if magic != MAGIC:
            raise ValueError(f"no record at {at} of the log")
        end = at + HEAD.size + path_len + size
        if end > len(log):
            return
        path = log[at + HEAD.size:at + HEAD.size + path_len].decode()
        yield kind, ok, path, number, log[end - size:end]
        at = end


class File:
    def __init__(self, content=b"", on_disk=True):
        self.now = bytearray(content)
        self.disk = bytearray(content if on_disk else b"")
        self.changed = {}  # page: number of the change, for those that no sync has taken
        self.kept = {}     # page: number of the change that is on the disk
        self.changes = 0
        if not on_disk:
            self.touch(0, len(content))

    def touch(self, at, size):
        self.changes += 1
        for page in range(at // PAGE, (at + max(size, 1) - 1) // PAGE + 1):
            self.changed[page] = self.changes

    def write(self, at, data):
        if at > len(self.now):
            self.now.extend(bytes(at - len(self.now)))
        self.now[at:at + len(data)] = data
        self.touch(at, len(data))

    def truncate(self, size):
        old = len(self.now)
        del self.now[size:]
        self.now.extend(bytes(size - len(self.now)))
        self.touch(min(old, size), abs(old - size))

    def begin_sync(self):
        pages = {page: (change, bytes(self.now[page * PAGE:(page + 1) * PAGE]))
                 for page, change in self.changed.items()}
        return pages, len(self.now)

    def end_sync(self, begun, ok):
        pages, size = begun
        for page, (change, content) in pages.items():
            if self.changed.get(page) == change:
                del self.changed[page]  # also when it failed
            if ok and self.kept.get(page, 0) < change:
                self.kept[page] = change
                put(self.disk, page, content)
        if ok and not self.changed:
            del self.disk[len(self.now):]
        elif ok and len(self.disk) < size:
            self.disk.extend(bytes(size - len(self.disk)))

    def after_cut(self, rng, mode):
        """Its bytes, if some changes that were not synced came through."""
        left = bytearray(self.disk)
        for page in sorted(self.changed):
            if mode == "none" or (mode == "some" and rng.random() < 0.5):
                continue
            new = bytes(self.now[page * PAGE:(page + 1) * PAGE])
            if mode == "torn":
                sectors = rng.randrange(0, PAGE // SECTOR + 1)
                new = new[:sectors * SECTOR] + bytes(
                    self.disk[page * PAGE + sectors * SECTOR:(page + 1) * PAGE])
            put(left, page, new)
        if self.changed and mode != "none" and rng.random() < 0.5:
            del left[len(self.now):]
        return bytes(left)


def put(content, page, new):
    at = page * PAGE
    if new and at > len(content):
        content.extend(bytes(at - len(content)))
    content[at:at + len(new)] = new


class Disk:
    """Of one folder, all that is directly or deeper in it."""

    def __init__(self, folder):
        self.folder = folder
        self.load()

    def load(self):
        """As the folder is now: all of it is on the disk."""
        self.now = {path: File(content) for path, content in self.real().items()}
        self.names = dict(self.now)  # those on the disk
        self.renames = []            # (folder, what to do to the names), not on the disk yet
        self.syncs = {}
        self.sent = []

    def real(self):
        found = {}
        for where, _, files in os.walk(self.folder):
            for name in files:
                if not name.endswith("-shm"):
                    path = os.path.join(where, name)
                    with open(path, "rb") as f:
                        found[path] = f.read()
        return found

    def replay(self, log, watch=None):
        """`watch(length, first bytes)` is called at each datagram that is about to be sent."""
        for kind, ok, path, number, data in records(log):
            if kind == SEND:
                if watch is not None:
                    watch(number, data)
            elif not path.endswith("-shm"):
                self.take(kind, ok, path, number, data)

    def take(self, kind, ok, path, number, data):
        if kind == CREATE:
            self.create(path)
        elif kind == UNLINK:
            self.now.pop(path, None)
            self.renames.append((os.path.dirname(path), lambda n: n.pop(path, None)))
        elif kind == RENAME:
            self.rename(path, data.decode())
        elif kind == SYNC_BEGIN:
            file = self.now.get(path)
            self.syncs[number] = (len(self.renames), file, file and file.begin_sync())
        elif kind == SYNC_END:
            self.end_sync(path, number, ok)
        elif path in self.now:
            file = self.now[path]
            file.write(number, data) if kind == WRITE else file.truncate(number)

    def create(self, path):
        file = self.now[path] = File()
        self.renames.append((os.path.dirname(path), lambda n: n.__setitem__(path, file)))

    def rename(self, path, to):
        if path in self.now:
            file = self.now[to] = self.now.pop(path)

            def on_disk(names):
                names.pop(path, None)
                names[to] = file
            self.renames.append((os.path.dirname(to), on_disk))

    def end_sync(self, path, ticket, ok):
        before, file, begun = self.syncs.pop(ticket, (0, None, None))
        if file is not None:
            file.end_sync(begun, ok)
        elif ok and os.path.isdir(path):
            due = [r for r in self.renames[:before] if r[0] == path]
            for _, change in due:
                change(self.names)
            self.renames = [r for r in self.renames if r not in due]

    def crashed(self):
        """The process has ended, the machine has not: the kernel has what disk.c may not have noted
        any more. @return how many pages that were"""
        missed = 0
        real = self.real()
        for path in [p for p in self.now if p not in real]:
            self.take(UNLINK, True, path, 0, b"")
        for path, content in real.items():
            if path not in self.now:
                self.create(path)
            file = self.now[path]
            if len(file.now) != len(content):
                file.truncate(len(content))
                missed += 1
            for at in range(0, len(content), PAGE):
                if file.now[at:at + PAGE] != content[at:at + PAGE]:
                    file.write(at, content[at:at + PAGE])
                    missed += 1
        self.syncs = {}
        return missed

    def left(self, rng, mode):
        """What a power cut leaves, by path; mode: none, some, torn or all of what was not synced comes
        through."""
        names = dict(self.names)
        keep = {"none": 0, "all": len(self.renames)}.get(mode, rng.randint(0, len(self.renames)))
        for _, change in self.renames[:keep]:
            change(names)
        return {path: file.after_cut(rng, mode) for path, file in names.items()}

    def cut(self, rng, mode):
        """The folder is what the power cut leaves."""
        left = self.left(rng, mode)
        for where, _, files in os.walk(self.folder):
            for name in files:
                path = os.path.join(where, name)
                if path not in left:
                    os.unlink(path)
        write_all(left)
        self.load()

    def copy(self, folder, rng, mode):
        """Another folder is what it would leave."""
        write_all({os.path.join(folder, os.path.relpath(path, self.folder)): content
                   for path, content in self.left(rng, mode).items()})


def write_all(files):
    for path, content in files.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        new = not os.path.exists(path)
        with open(path, "wb") as f:
            f.write(content)
        if new:
            os.chmod(path, 0o600)
