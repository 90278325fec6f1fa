#!/bin/sh
# The system packages that demo and tests need: says nothing when all are there, installs what is
# missing when root, and otherwise prints the command to run and exits with 1.
# `--check` never installs. `--with-gitops` asks for what the tests of Argo CD need, too, `--with-machines` for what those
# of virtual machines do.
set -eu

mode=install
gitops=
machines=
for argument; do
    case $argument in
        install | --check) mode=$argument ;;
        --with-gitops) gitops=yes ;;
        --with-machines) machines=yes ;;
        *) echo "usage: $0 [--check] [--with-gitops] [--with-machines]" >&2; exit 2 ;;
    esac
done

# has FILE...: whether one of these programs or files is there.
has() {
    for candidate; do
        case $candidate in
            */*) [ -e "$candidate" ] && return 0 ;;
            *) command -v "$candidate" > /dev/null 2>&1 && return 0 ;;
        esac
    done
    return 1
}

# A busybox that runs in an image with nothing else in it.
has_static_busybox() {
    for candidate in /bin/busybox /usr/bin/busybox /sbin/busybox /usr/sbin/busybox; do
        [ -x "$candidate" ] || continue
        # A dynamic one names its loader in the program header.
        if ! head -c 1024 "$candidate" | grep -q 'ld-linux\|ld-musl\|ld64'; then return 0; fi
    done
    return 1
}

family() {
    ids=$(. /etc/os-release 2> /dev/null && echo "${ID:-} ${ID_LIKE:-}") || ids=
    for id in $ids; do
        case $id in
            debian | ubuntu) echo debian; return ;;
            fedora | rhel | centos) echo fedora; return ;;
            arch) echo arch; return ;;
        esac
    done
    echo unknown
}

system=$(family)
missing=

# need DEBIAN FEDORA ARCH: the package of the last failed check; `-` where there is none.
need() {
    case $system in debian) package=$1 ;; fedora) package=$2 ;; arch) package=$3 ;; *) package=$1 ;; esac
    if [ "$package" = - ]; then
        echo "note: $system has no package for $1; the tests that need it will say so" >&2
    else
        missing="$missing $package"
    fi
}

# What needs it: devices, and for most of it the node.
has podman || need podman podman podman
has runc || need runc runc runc
has conmon /usr/libexec/podman/conmon || need conmon conmon conmon
has netavark /usr/lib/podman/netavark /usr/libexec/podman/netavark || need netavark netavark netavark
has iptables /usr/sbin/iptables || need iptables iptables-nft iptables
has ip /usr/sbin/ip || need iproute2 iproute iproute2
has nsenter || need util-linux util-linux util-linux
has sysctl /usr/sbin/sysctl || need procps procps-ng procps-ng
# Rootless devices.
has newuidmap || need uidmap shadow-utils shadow
has slirp4netns || need slirp4netns slirp4netns slirp4netns
# A node with pods: containerd comes from tools/, the plugins for the pods' network do not.
has /usr/lib/cni/ptp /usr/libexec/cni/ptp /opt/cni/bin/ptp ||
    need containernetworking-plugins containernetworking-plugins cni-plugins
# Test images.
has_static_busybox || need busybox-static busybox busybox
# A network that loses packets.
has nft /usr/sbin/nft || need nftables nftables nftables
# Programs with a wall clock of their own.
has /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib64/faketime/libfaketimeMT.so.1 \
    /usr/lib/faketime/libfaketimeMT.so.1 || need libfaketime libfaketime libfaketime
# Programs whose disk is slow.
has strace || need strace strace strace
# Machines that are set up in tests.
has mmdebstrap || need mmdebstrap - -
# Signed lists of cloud images: verified by the one, signed in tests by the other.
has gpgv || need gpgv gnupg2 gnupg
has gpg || need gpg gnupg2 gnupg
# Tests that pull.
has docker-registry registry /usr/libexec/docker-distribution/registry ||
    need docker-registry docker-distribution -
# OpenBao comes out of a Python wheel.
python3 -m pip --version > /dev/null 2>&1 || need python3-pip python3-pip python-pip
# The demo's menu and these scripts.
has curl || need curl curl curl
if [ -n "$gitops" ]; then
    # Argo CD's parts tell each other what they know through it.
    has redis-server || need redis-server redis redis
    has git || need git git git
fi
if [ -n "$machines" ]; then
    # Virtual machines, and the image they start from. Firmware is where a distribution puts it.
    has qemu-system-x86_64 || need qemu-system-x86 qemu-system-x86 qemu-system-x86
    has qemu-system-aarch64 || need qemu-system-arm qemu-system-aarch64 qemu-system-aarch64
    has qemu-img || need qemu-utils qemu-img qemu-img
    has /usr/share/OVMF/OVMF_VARS_4M.fd /usr/share/edk2/ovmf/OVMF_VARS.fd /usr/share/edk2/x64/OVMF_VARS.4m.fd ||
        need ovmf edk2-ovmf edk2-ovmf
    has /usr/share/AAVMF/AAVMF_VARS.fd /usr/share/edk2/aarch64/QEMU_EFI-pflash.raw \
        /usr/share/edk2/aarch64/QEMU_VARS.fd || need qemu-efi-aarch64 edk2-aarch64 edk2-aarch64
    has mkfs.vfat /usr/sbin/mkfs.vfat || need dosfstools dosfstools dosfstools
    has mcopy || need mtools mtools mtools
    has mke2fs /usr/sbin/mke2fs || need e2fsprogs e2fsprogs e2fsprogs
    has sfdisk /usr/sbin/sfdisk || need fdisk util-linux util-linux
    # An image for the other processor is made by programs of that processor.
    case $(uname -m) in x86_64) other=aarch64 ;; *) other=x86_64 ;; esac
    has "qemu-$other-static" || need qemu-user-static qemu-user-static qemu-user-static
    has arch-test || need arch-test - -
    # libvirt with its schema and what reads that, its driver for QEMU, its network and who gives addresses there.
    has virt-xml-validate || need libvirt-clients libvirt-client libvirt
    has xmllint || need libxml2-utils libxml2 libxml2
    has /etc/libvirt/qemu.conf || need libvirt-daemon-system libvirt-daemon-kvm libvirt
    has /usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so /usr/lib*/libvirt/connection-driver/libvirt_driver_qemu.so ||
        need libvirt-daemon-driver-qemu libvirt-daemon-driver-qemu libvirt
    has /usr/share/libvirt/networks/default.xml || need libvirt-daemon-config-network libvirt-daemon-config-network libvirt
    has dnsmasq /usr/sbin/dnsmasq || need dnsmasq-base dnsmasq dnsmasq
fi

[ -n "$missing" ] || exit 0
missing=${missing# }

case $system in
    debian) command="apt-get install --yes --no-install-recommends $missing" ;;
    fedora) command="dnf install --assumeyes $missing" ;;
    arch) command="pacman --sync --needed --noconfirm $missing" ;;
    *)
        echo "this system is not known here; install what Debian calls: $missing" >&2
        exit 1
        ;;
esac

if [ "$mode" = --check ] || [ "$(id -u)" -ne 0 ]; then
    echo "missing packages; run: sudo $command" >&2
    exit 1
fi

# The package lists are fetched only if they do not know the packages.
if [ "$system" = debian ]; then
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # one word each
    apt-get install --simulate --no-install-recommends $missing > /dev/null 2>&1 || apt-get update
fi
echo "installing: $missing"
$command
