"""Archives and checksums that depend only on the files' contents, names and modes: entries
are sorted, and times and owners are fixed. The compressed bytes are those of the zlib that
Python uses."""

import gzip
import hashlib
import tarfile
import zipfile


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def zip_function(path, binary):
    """Writes a function's zip file, with the binary as `bootstrap`."""
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix, so that the mode counts
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, binary.read_bytes(), compresslevel=9)


def tar_gz(path, folder, time):
    """Packs a folder, under its own name."""
    with (
        open(path, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=time) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for file in files_in(folder):
            entry = tarfile.TarInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}")
            entry.size = file.stat().st_size
            entry.mtime = time
            entry.mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
            with open(file, "rb") as content:
                archive.addfile(entry, content)


def write_sums(path, files):
    """Writes SHA-256 sums as `sha256sum --check` reads them."""
    lines = [f"{sha256(file)}  {file.relative_to(path.parent).as_posix()}\n" for file in files]
    path.write_text("".join(lines))
