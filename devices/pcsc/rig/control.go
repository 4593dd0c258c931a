package rig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// message is one datagram on the control socket. The caller asks with Settings
// (once, first) or Dial; the inner process answers with Problem, empty for done,
// and with the connection's descriptor where one was asked for.
type message struct {
	Settings   *settings `json:",omitempty"`
	Dial       int       `json:",omitempty"` // port
	Problem    string    `json:",omitempty"`
	NotAllowed bool      `json:",omitempty"` // Problem is a refusal by the kernel
}

func (m message) problem() error {
	switch {
	case m.Problem == "":
		return nil
	case m.NotAllowed:
		return fmt.Errorf("%w: %s", ErrNotAllowed, m.Problem)
	}
	return errors.New(m.Problem)
}

// control is one end of a pair of sequenced-packet sockets, which keep datagrams
// apart and show the end of the other side.
type control struct{ conn *net.UnixConn }

// controlPair makes our end and, as a file to be inherited, theirs.
func controlPair() (*control, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "rig control, inner end")
	ours, err := controlOf(os.NewFile(uintptr(fds[0]), "rig control"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// controlOf takes over a socket's descriptor.
func controlOf(f *os.File) (*control, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("control socket is not a unix socket")
	}
	return &control{unix}, nil
}

func (c *control) close() { c.conn.Close() }

// send writes a message, with f's descriptor where f is not nil.
func (c *control) send(m message, f *os.File) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var rights []byte
	if f != nil {
		rights = syscall.UnixRights(int(f.Fd()))
	}
	_, _, err = c.conn.WriteMsgUnix(body, rights, nil)
	return err
}

// receive reads a message and the descriptor that came with it, nil where none
// did; io.EOF when the other end is gone.
func (c *control) receive() (message, *os.File, error) {
	body, rights := make([]byte, 8192), make([]byte, syscall.CmsgSpace(4))
	n, rn, _, _, err := c.conn.ReadMsgUnix(body, rights)
	if err != nil {
		return message{}, nil, err
	}
	if n == 0 {
		return message{}, nil, io.EOF
	}
	f := received(rights[:rn])
	var m message
	if err := json.Unmarshal(body[:n], &m); err != nil {
		if f != nil {
			f.Close()
		}
		return message{}, nil, fmt.Errorf("control message: %w", err)
	}
	return m, f, nil
}

func received(rights []byte) *os.File {
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return nil
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil
	}
	return os.NewFile(uintptr(fds[0]), "vpcd")
}

// ask sends and waits for the answer.
func (c *control) ask(m message) (message, *os.File, error) {
	if err := c.send(m, nil); err != nil {
		return message{}, nil, gone(err)
	}
	answer, f, err := c.receive()
	return answer, f, gone(err)
}

// gone says plainly what an end of the control socket means.
func gone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return errors.New("the private pcscd has ended")
	}
	return err
}
