import os
import pathlib
import subprocess
import tarfile
import tempfile
import unittest
import zipfile

from release.archive import files_in, sha256, tar_gz, write_sums, zip_function


class ArchiveTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)

    def tree(self, parent, names, time, mask):
        """A folder with the same files, made in another order, time and umask."""
        folder = self.root / parent / "release"
        previous = os.umask(mask)
        self.addCleanup(os.umask, previous)
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name * 1000)
            path.chmod(0o777 & ~mask if name == "bin/tool" else 0o666 & ~mask)
            os.utime(path, (time, time))
        return folder

    def test_archives_depend_only_on_names_contents_and_modes(self):
        packed = []
        for parent, names, time, mask in (
            ("one", ["b", "bin/tool", "a"], 1_000_000_000, 0o022),
            ("two", ["a", "bin/tool", "b"], 1_500_000_000, 0o077),
        ):
            folder = self.tree(parent, names, time, mask)
            tar_gz(self.root / f"{parent}.tar.gz", folder, 1_700_000_000)
            zip_function(self.root / f"{parent}.zip", folder / "bin/tool")
            packed.append([sha256(self.root / f"{parent}{end}") for end in (".tar.gz", ".zip")])
        self.assertEqual(packed[0], packed[1])

        with tarfile.open(self.root / "one.tar.gz") as archive:
            found = [(entry.name, entry.mode, entry.mtime) for entry in archive]
        modes = {"release/a": 0o644, "release/b": 0o644, "release/bin/tool": 0o755}
        self.assertEqual(found, [(name, mode, 1_700_000_000) for name, mode in modes.items()])

    def test_function_can_be_executed_once_unpacked(self):
        binary = self.root / "api"
        binary.write_text("code")
        zip_function(self.root / "api.zip", binary)
        with zipfile.ZipFile(self.root / "api.zip") as archive:
            (entry,) = archive.infolist()
        self.assertEqual((entry.filename, entry.external_attr >> 16), ("bootstrap", 0o100755))

    def test_sums_match_sha256sum(self):
        folder = self.tree("one", ["b", "bin/tool", "a"], 0, 0o022)
        write_sums(folder / "SHA256SUMS", files_in(folder))
        check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
        done = subprocess.run(check, check=False, cwd=folder, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout.count(": OK")), (0, 3), done.stderr)
        (folder / "a").write_text("changed")
        with self.assertRaises(subprocess.CalledProcessError):
            subprocess.run(check, check=True, cwd=folder, capture_output=True)
