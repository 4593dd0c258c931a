package softcard

import (
	"net"
	"syscall"
)

// acknowledge sends what TCP still holds back of acknowledgements (tcp(7),
// TCP_QUICKACK, which is not permanent). Where it fails it only costs time.
func acknowledge(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
