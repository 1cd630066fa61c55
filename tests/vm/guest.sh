#!/bin/sh
# PID 1 of a guest once it sees the host's files: loads the cameras, runs one command, says how it ended.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb

# User-mode Linux comes here at once and hands over where the exchange is; QEMU's initrd has done all this.
if [ -n "$exchange" ]; then
    "$exchange/busybox" mount -t proc proc /proc
    "$exchange/busybox" mount -t sysfs sys /sys
    "$exchange/busybox" mount -t devtmpfs dev /dev 2>/dev/null # the kernel may have done it
    "$exchange/busybox" mount -t tmpfs tmpfs /run
    "$exchange/busybox" mkdir /run/vm
    "$exchange/busybox" mount -t hostfs -o "$exchange" none /run/vm
fi
box=/run/vm/busybox

# Everything else is the host's and read-only: what programs write goes to memory.
export HOME=/run/home TMPDIR=/run/tmp XDG_RUNTIME_DIR=/run/user
$box mkdir -p $HOME $TMPDIR $XDG_RUNTIME_DIR /dev/shm /dev/pts
$box chmod 700 $XDG_RUNTIME_DIR
$box mount -t tmpfs tmpfs /dev/shm
$box mount -t devpts devpts /dev/pts
$box ln -sfn /proc/self/fd /dev/fd
$box hostname vm
$box ip link set lo up 2>/dev/null || $box ifconfig lo up 2>/dev/null

. /run/vm/settings # MODULES, LOOPBACK, LOOPBACK_OPTIONS, VIVID_OPTIONS, OUTPUT
if [ "$OUTPUT" = port ]; then
    while [ -z "$(ls /dev/vport*p1 2>/dev/null)" ]; do $box sleep 0.1; done
    exec > "$(ls /dev/vport*p1)" 2>&1
fi
while read -r module; do
    case $module in
        vivid.ko) options=$VIVID_OPTIONS ;;
        *) options= ;;
    esac
    $box insmod "$MODULES/$module" $options || echo "vm: $module cannot be loaded"
done < "$MODULES/order"
[ -z "$LOOPBACK" ] || $box insmod "$LOOPBACK" $LOOPBACK_OPTIONS || echo "vm: $LOOPBACK cannot be loaded"

cd /run/tmp
$box setsid sh /run/vm/command < /dev/null
echo $? > /run/vm/status
$box dmesg > /run/vm/dmesg
$box sync
$box poweroff -f
