#!/bin/sh
# A root file system of Debian, made of Debian's packages alone, for machines that are to become devices:
# virtual ones (tools/vm-image.sh) and containers with systemd and sshd, on which set-up is tried.
# usage: tools/debian-root.sh x86_64|aarch64 DIRECTORY
# Needs root and mmdebstrap; for another architecture than this machine's qemu-user-static and arch-test, too. Mounts
# nothing that stays.
set -eu

arch=${1:?usage: $0 x86_64|aarch64 DIRECTORY}
out=${2:?usage: $0 x86_64|aarch64 DIRECTORY}
suite=bookworm
case $arch in
    x86_64) debian=amd64 ;;
    aarch64) debian=arm64 ;;
    *) echo "$0: unknown architecture $arch: x86_64 or aarch64" >&2; exit 2 ;;
esac

# Packages are configured by their own programs. Where the kernel does not know who runs those of another processor, it
# is told for as long as this script runs: all of this machine sees it, and it goes with the last mount, which is in a
# mount namespace of the script's own.
if [ "$arch" != "$(uname -m)" ] && ! arch-test "$debian" > /dev/null 2>&1; then
    # What systemd tells it at boot, where it does.
    told=/usr/lib/binfmt.d/qemu-$arch.conf
    if [ -n "${FLEET_BINFMT:-}" ] || ! [ -e "$told" ]; then
        echo "$0: this machine cannot run programs of $debian: install qemu-user-static and arch-test" >&2
        exit 1
    fi
    export FLEET_BINFMT="$told"
    # shellcheck disable=SC2016 # expanded in there
    exec unshare --mount sh -euc '
        mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
        grep "^:" "$FLEET_BINFMT" > /proc/sys/fs/binfmt_misc/register
        exec "$@"' sh "$0" "$@"
fi

mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
export TMPDIR="$work"

# What a device needs is left out on purpose: installing it is what set-up is tried with.
# FLEET_VM_PACKAGES puts something in, separated by commas.
packages=systemd-sysv,systemd-resolved,linux-image-cloud-$debian,openssh-server,cloud-init,netplan.io,sudo
packages=$packages,python3,dbus,dbus-user-session,libpam-systemd,iproute2,ca-certificates,busybox-static
packages=$packages,grub-efi-$debian-signed,systemd-timesyncd,${FLEET_VM_PACKAGES:-less}

echo "debian-root: packages of Debian $suite for $debian ($(date +%T))" >&2
mmdebstrap --quiet --mode=root --variant=minbase --architectures="$debian" \
    --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
    --essential-hook='printf "MODULES=list\n" > "$1/etc/initramfs-tools/conf.d/fleet"' \
    --essential-hook='printf "%s\n" virtio_pci virtio_blk virtio_scsi virtio_mmio ext4 > "$1/etc/initramfs-tools/modules"' \
    "$suite" "$work/root.tar"
mkdir "$work/root"
tar -xf "$work/root.tar" -C "$work/root" --numeric-owner

root="$work/root"
echo 'LABEL=root / ext4 defaults,discard 0 1' > "$root/etc/fstab"
echo fleet > "$root/etc/hostname"
: > "$root/etc/machine-id"
printf 'datasource_list: [ NoCloud ]\n' > "$root/etc/cloud/cloud.cfg.d/90-fleet.cfg"
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/resolv.conf"
ln -s /run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
mv "$root" "$out"
