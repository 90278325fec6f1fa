#!/bin/sh
# A disk image of Debian for virtual machines that become devices, made of Debian's packages alone: for
# machines that cannot download a cloud image, such as those that run the tests. It boots by UEFI, and
# cloud-init reads a NoCloud seed.
# usage: tools/vm-image.sh x86_64|aarch64 FILE.qcow2
# Needs what tools/debian-root.sh needs, and qemu-img, mke2fs, mkfs.vfat, mcopy and sfdisk. Mounts nothing and
# uses no loop device.
set -eu

arch=${1:?usage: $0 x86_64|aarch64 FILE.qcow2}
out=${2:?usage: $0 x86_64|aarch64 FILE.qcow2}
case $arch in
    x86_64) boot=BOOTX64.EFI grub=grubx64.efi.signed efi=x86_64-efi-signed ;;
    aarch64) boot=BOOTAA64.EFI grub=grubaa64.efi.signed efi=arm64-efi-signed ;;
    *) echo "$0: unknown architecture $arch: x86_64 or aarch64" >&2; exit 2 ;;
esac

mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
export TMPDIR="$work"

progress() { echo "vm-image: $1 ($(date +%T))" >&2; }

# growpart: the file system takes all of the disk at the first boot. And what set-up would install, which takes an
# emulated processor minutes; FLEET_VM_PACKAGES= leaves it out.
more=${FLEET_VM_PACKAGES-podman,crun,uidmap,slirp4netns,netavark,aardvark-dns,iptables}
FLEET_VM_PACKAGES="cloud-guest-utils${more:+,$more}" "$(dirname "$0")/debian-root.sh" "$arch" "$work/root"
root="$work/root"

progress "file systems"
mkdir -p "$work/esp/EFI/BOOT" "$work/esp/EFI/debian"
cp "$root/usr/lib/grub/$efi/$grub" "$work/esp/EFI/BOOT/$boot"
case $arch in x86_64) console=ttyS0 ;; aarch64) console=ttyAMA0 ;; esac
cat > "$work/esp/EFI/debian/grub.cfg" << END
search --no-floppy --label root --set=root
set timeout=0
linux /vmlinuz root=LABEL=root ro console=$console quiet
initrd /initrd.img
boot
END
mkfs.vfat -C -F 32 -n ESP "$work/esp.img" 65536 > /dev/null
mcopy -s -i "$work/esp.img" "$work/esp/EFI" ::
used=$(du -sm "$root" | cut -f1)
size=$((used + used / 4 + 256))
mke2fs -q -t ext4 -L root -O '^metadata_csum_seed,^orphan_file' -d "$root" "$work/root.img" "${size}M"

progress "disk"
# 1 MiB for the table, the two partitions, 1 MiB for the table's copy.
truncate -s "$((1 + 64 + size + 1))M" "$work/disk.raw"
sfdisk --quiet "$work/disk.raw" << END
label: gpt
start=1MiB, size=64MiB, type=uefi
start=65MiB, size=${size}MiB, type=linux
END
dd if="$work/esp.img" of="$work/disk.raw" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$work/root.img" of="$work/disk.raw" bs=1M seek=65 conv=notrunc,sparse status=none
qemu-img convert -O qcow2 "$work/disk.raw" "$work/disk.qcow2"
mv "$work/disk.qcow2" "$out"
progress "$out: $(du -m "$out" | cut -f1) MiB"
