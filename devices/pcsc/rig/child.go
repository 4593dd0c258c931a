package rig

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// innerName is argument 0 of the inner process, by which Child knows it.
const innerName = "cardstation-rig"

// Paths inside the mount namespace. The link to pcscd's directory has a name that
// no other process's root has: should the inner process's number be given to
// another, a client that still holds Socket finds nothing there.
const (
	innerDir     = "/run/pcscd"
	innerLink    = "/run/cardstation-rig"
	innerSocket  = innerLink + "/pcscd.comm"
	innerReaders = innerDir + "/reader.conf.d"
	innerDrivers = innerDir + "/drivers"
)

// Child runs the rig's inner process, and ends with it, when this process was
// started as one; otherwise it returns at once. It belongs in the first line of
// main and of TestMain, before flags are read.
func Child() {
	if os.Args[0] != innerName {
		return
	}
	if err := inner(); err != nil {
		fmt.Fprintln(os.Stderr, "cardstation-rig:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// inner serves the control socket until its other end closes, which happens also
// when the caller is killed. It is process 1 of its namespace: with it goes all.
func inner() error {
	c, err := controlOf(os.NewFile(3, "rig control"))
	if err != nil {
		return err
	}
	first, _, err := c.receive()
	if err != nil || first.Settings == nil {
		return errors.Join(errors.New("no settings received"), err)
	}
	if err := prepare(*first.Settings); err != nil {
		refused := errors.Is(err, os.ErrPermission)
		return c.send(message{Problem: err.Error(), NotAllowed: refused}, nil)
	}
	if err := c.send(message{}, nil); err != nil {
		return err
	}
	for {
		question, _, err := c.receive()
		if err != nil {
			return nil // the caller is gone
		}
		answerDial(c, question.Dial)
	}
}

// prepare makes the namespaces fit to live in and starts pcscd; it returns when
// pcscd and every vpcd port accept connections.
func prepare(s settings) error {
	if err := hideMachine(s); err != nil {
		return err
	}
	if err := raiseLoopback(); err != nil {
		return err
	}
	daemon := exec.Command(s.Daemon, daemonArgs(s.Daemon)...)
	daemon.Stdout, daemon.Stderr = os.Stdout, os.Stderr
	daemon.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	if err := daemon.Start(); err != nil {
		return fmt.Errorf("start pcscd: %w", err)
	}
	go func() {
		err := daemon.Wait()
		fmt.Fprintln(os.Stderr, "cardstation-rig: pcscd ended:", err)
		os.Exit(1)
	}()
	if err := ready(innerSocket); err != nil {
		return err
	}
	return listening(s.ports())
}

// daemonArgs asks polkit, where this pcscd knows it, not to be asked: there is no
// system bus in here, and only the rig's owner reaches the socket.
func daemonArgs(daemon string) []string {
	args := []string{"--foreground", "--config", innerReaders}
	usage, err := exec.Command(daemon, "--help").CombinedOutput()
	if err == nil && strings.Contains(string(usage), "--disable-polkit") {
		args = append(args, "--disable-polkit")
	}
	return args
}

// hideMachine gives this mount namespace an empty /run with our readers'
// configuration, and takes the drivers of real readers out of pcscd's sight.
func hideMachine(s settings) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	driver, err := os.ReadFile(s.Driver)
	if err != nil {
		return fmt.Errorf("read vpcd driver: %w", err)
	}
	if err := syscall.Mount("rig", "/run", "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0755,size=16m"); err != nil {
		return fmt.Errorf("mount private /run: %w", err)
	}
	if err := hideDrivers(filepath.Dir(filepath.Dir(s.Driver)), "/usr/lib/pcsc/drivers"); err != nil {
		return err
	}
	for _, dir := range []string{innerDir, innerReaders, innerDrivers} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink(filepath.Base(innerDir), innerLink); err != nil {
		return err
	}
	return configure(s, driver)
}

// hideDrivers mounts nothing over the directories in which pcscd looks for drivers
// of USB readers.
func hideDrivers(dirs ...string) error {
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := syscall.Mount("rig", dir, "tmpfs", syscall.MS_RDONLY, "size=4k"); err != nil {
			return fmt.Errorf("hide %s: %w", dir, err)
		}
	}
	return nil
}

// configure writes one entry a pair of readers, each with a copy of the driver:
// the driver keeps its state in globals, and pcscd loads one path once.
func configure(s settings, driver []byte) error {
	var entries strings.Builder
	for i := range s.pairs() {
		path := fmt.Sprintf("%s/%d.so", innerDrivers, i)
		if err := os.WriteFile(path, driver, 0o755); err != nil {
			return err
		}
		port := firstPort + 2*i
		fmt.Fprintf(&entries, "FRIENDLYNAME \"%s\"\nDEVICENAME /dev/null:%d\nLIBPATH %s\nCHANNELID %d\n\n", s.entryName(i), port, path, port)
	}
	return os.WriteFile(innerReaders+"/rig", []byte(entries.String()), 0o644)
}

// raiseLoopback sets IFF_UP on lo, which a new network namespace has down
// (netdevice(7), SIOCSIFFLAGS).
func raiseLoopback() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	defer syscall.Close(fd)
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return fmt.Errorf("raise loopback: %w", errno)
	}
	return nil
}

// ready waits until pcscd accepts clients.
func ready(socket string) error {
	return until("pcscd does not answer on "+socket, func() bool {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// listening waits until every port is listened on. It asks the kernel, since to
// vpcd a probing connection would be a card (proc(5), /proc/net/tcp; state 0A).
func listening(ports []int) error {
	return until("vpcd does not listen on all its ports", func() bool {
		table, err := os.ReadFile("/proc/self/net/tcp")
		if err != nil {
			return false
		}
		for _, port := range ports {
			if !strings.Contains(string(table), fmt.Sprintf("00000000:%04X 00000000:0000 0A", port)) {
				return false
			}
		}
		return true
	})
}

func until(problem string, done func() bool) error {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if done() {
			return nil
		}
	}
	return errors.New(problem)
}

// answerDial connects to vpcd and passes the connection to the caller.
func answerDial(c *control, port int) {
	conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		_ = c.send(message{Problem: err.Error()}, nil)
		return
	}
	defer conn.Close()
	f, err := conn.(*net.TCPConn).File()
	if err != nil {
		_ = c.send(message{Problem: err.Error()}, nil)
		return
	}
	defer f.Close()
	_ = c.send(message{}, f) // a caller who is gone shows at the next receive
}
