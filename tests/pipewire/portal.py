"""The camera portal of a desktop, played: grants at once and hands over a connection to PipeWire.

Run by the system's Python (python3-gi), not by the environment's. Answers the two calls of
org.freedesktop.portal.Camera that browsers make; see https://flatpak.github.io/xdg-desktop-portal/.
"""

import os
import socket
import sys

from gi.repository import Gio, GLib

PATH = "/org/freedesktop/portal/desktop"
INTERFACE = """
<node><interface name="org.freedesktop.portal.Camera">
  <method name="AccessCamera">
    <arg type="a{sv}" name="options" direction="in"/><arg type="o" name="handle" direction="out"/>
  </method>
  <method name="OpenPipeWireRemote">
    <annotation name="org.gtk.GDBus.C.UnixFD" value="true"/>
    <arg type="a{sv}" name="options" direction="in"/><arg type="h" name="fd" direction="out"/>
  </method>
  <property name="IsCameraPresent" type="b" access="read"/>
  <property name="version" type="u" access="read"/>
</interface></node>
"""
PROPERTIES = {"IsCameraPresent": GLib.Variant("b", True), "version": GLib.Variant("u", 1)}
GRANTED = 0
ANSWER_MS = 20  # the answer comes after the reply of the call, as a person's would


def answer(connection, sender, path, interface, method, arguments, invocation):
    """Serve a call."""
    if method == "AccessCamera":
        token = arguments[0].get("handle_token", "t")
        handle = f"{PATH}/request/{sender[1:].replace('.', '_')}/{token}"
        invocation.return_value(GLib.Variant("(o)", (handle,)))

        def grant():
            body = GLib.Variant("(ua{sv})", (GRANTED, {}))
            connection.emit_signal(sender, handle, "org.freedesktop.portal.Request", "Response", body)
            return GLib.SOURCE_REMOVE

        GLib.timeout_add(ANSWER_MS, grant)
    else:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as remote:
            remote.connect(os.path.join(os.environ["XDG_RUNTIME_DIR"], "pipewire-0"))
            descriptors = Gio.UnixFDList.new()
            descriptors.append(remote.fileno())
        invocation.return_value_with_unix_fd_list(GLib.Variant("(h)", (0,)), descriptors)


def main():
    """Take the desktop's name on the session bus and serve until the end."""
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    interface = Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0]
    bus.register_object(PATH, interface, answer, lambda c, s, p, i, name: PROPERTIES[name], None)

    def taken(connection, name):
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    name = "org.freedesktop.portal.Desktop"
    Gio.bus_own_name_on_connection(bus, name, Gio.BusNameOwnerFlags.REPLACE, taken, None)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
