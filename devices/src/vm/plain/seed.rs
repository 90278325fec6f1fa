use std::io::{self, Cursor, Write as _};

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use fleet_devices_core::vm::Seed;

/// Room for a seed many times over: it is a few kilobytes, and a FAT of this size is the smallest kind.
const BYTES: usize = 1 << 20;
/// cloud-init looks for it in capitals, too, and FAT has no others.
const LABEL: [u8; 11] = *b"CIDATA     ";

/// The file system of a seed, as a disk that holds nothing else. The same seed gives the same bytes.
pub(super) fn image(seed: &Seed) -> io::Result<Vec<u8>> {
    let mut disk = Cursor::new(vec![0; BYTES]);
    let options = FormatVolumeOptions::new().volume_label(LABEL);
    fatfs::format_volume(&mut disk, options)?;
    let filesystem = FileSystem::new(&mut disk, FsOptions::new())?;
    for file in seed.files() {
        let mut entry = filesystem.root_dir().create_file(file.name)?;
        entry.write_all(file.content.as_bytes())?;
        entry.flush()?;
    }
    filesystem.unmount()?;
    Ok(disk.into_inner())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use std::io::Read as _;

    use fleet_devices_core::vm::{AdminUser, seed};

    use super::*;

    #[test]
    fn a_seed_is_a_file_system_that_cloud_init_looks_for() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq0c2Zr9t0o1lH0XbqJw0y6n5m1mVn0q2Gm9w4bJx3Z a@b";
        let admin = AdminUser::new(vec![key.parse().expect("a key")], None).expect("a login");
        let name = "pi-1".parse().expect("a name");
        let wanted = Seed::new(name, "pi-1-0", admin).expect("a seed");
        let made = image(&wanted).expect("made");
        assert_eq!(made, image(&wanted).expect("made again"));
        let disk = FileSystem::new(Cursor::new(made), FsOptions::new()).expect("a file system");
        let label = disk.read_volume_label_from_root_dir().expect("readable");
        assert_eq!(
            label.map(|it| it.to_lowercase()).as_deref(),
            Some(seed::VOLUME_LABEL)
        );
        for file in wanted.files() {
            let mut content = String::new();
            let mut entry = disk.root_dir().open_file(file.name).expect(file.name);
            entry.read_to_string(&mut content).expect("text");
            assert_eq!(content, file.content);
        }
    }
}
