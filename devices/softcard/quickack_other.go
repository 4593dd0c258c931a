//go:build !linux

package softcard

import "net"

// acknowledge does nothing where TCP_QUICKACK is not known.
func acknowledge(net.Conn) {}
