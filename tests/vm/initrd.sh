#!/busybox sh
# PID 1 of QEMU's guest until it sees the host's file system, which then is its own, read-only.
set -e
/busybox mount -t proc proc /proc
/busybox mount -t sysfs sys /sys
/busybox mount -t devtmpfs dev /dev
while read -r module; do /busybox insmod "/modules/$module"; done < /modules/order
share="-t 9p -o trans=virtio,version=9p2000.L,msize=512000"
/busybox mount $share,ro,cache=loose host /root
for folder in proc sys dev; do /busybox mount -o move /$folder /root/$folder; done
/busybox mount -t tmpfs tmpfs /root/run
/busybox mkdir /root/run/vm
/busybox mount $share,rw,cache=none exchange /root/run/vm
exec /busybox switch_root /root /run/vm/busybox sh /run/vm/guest.sh
