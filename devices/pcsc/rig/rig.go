// Package rig runs a private pcscd with virtual readers (vsmartcard's vpcd), so
// that a demo or a test speaks to software cards over the same way as to real
// ones: client -> libpcsclite -> pcscd -> reader driver.
//
// The pcscd lives in mount, network and process namespaces of its own (and a user
// namespace, where the caller is not root): its socket does not cover the
// machine's pcscd, it cannot open the machine's readers, and vpcd, which listens
// on every address, is reached by nobody but through Dial. All its files are on a
// tmpfs of that namespace. When the caller ends, in whatever way, the kernel ends
// the rig's processes and nothing is left behind.
//
// The first line of main, and of TestMain, of a program that starts a rig is
// Child().
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// MaxReaders is how many slots one pcscd serves (PCSCLITE_MAX_READERS_CONTEXTS).
const MaxReaders = 16

// DefaultName is the readers' name where Options has none.
const DefaultName = "cardstation DEMO"

// Options of a rig.
type Options struct {
	// Readers is the number of readers, 1 to MaxReaders; 0 is 2. vpcd makes them
	// in pairs: of an odd number the last has a companion that stays empty.
	Readers int
	// Name is the readers' name without the two numbers that pcscd appends; empty
	// is DefaultName. Letters, digits, spaces, '-', '_' and '.', up to 64.
	Name string
	// Log receives what pcscd prints; nil discards it.
	Log io.Writer
}

// ErrNotAllowed means that this machine or container does not let us make namespaces.
var ErrNotAllowed = errors.New("private namespaces are not allowed here")

// ErrMissing names the Debian packages that the rig needs and did not find. It is
// found with errors.As.
type ErrMissing struct{ Packages []string }

func (e ErrMissing) Error() string {
	return "not installed (Debian packages): " + strings.Join(e.Packages, ", ")
}

// Rig is a running private pcscd.
type Rig struct {
	names  []string
	socket string
	ports  []int

	mu      sync.Mutex // one question at a time on control
	control *control
	process *os.Process
	ended   chan struct{} // closed when the inner process is gone
	output  *tail
}

// startTime bounds Start; it takes about 0.1 s.
const startTime = 10 * time.Second

// Start runs a private pcscd and returns when its readers are there. ctx bounds
// the start only: the rig lives until Close or the end of this process.
//
// The error is ErrNotAllowed where namespaces are refused and ErrMissing where
// pcscd or vpcd is not installed.
func Start(ctx context.Context, o Options) (*Rig, error) {
	set, err := o.settings()
	if err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var refused error
	for _, flags := range namespaceSets() {
		r, err := start(ctx, set, flags, o.Log)
		if err == nil || !errors.Is(err, ErrNotAllowed) {
			return r, err
		}
		refused = err
	}
	return nil, refused
}

// namespaceSets lists what to try: root may need no user namespace, and may be
// root of a container that has none of root's rights.
func namespaceSets() []uintptr {
	const own = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID
	if os.Geteuid() == 0 {
		return []uintptr{own, own | syscall.CLONE_NEWUSER}
	}
	return []uintptr{own | syscall.CLONE_NEWUSER}
}

func start(ctx context.Context, set settings, flags uintptr, log io.Writer) (*Rig, error) {
	ours, theirs, err := controlPair()
	if err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	r := &Rig{control: ours, ended: make(chan struct{}), output: &tail{next: log}}
	cmd := innerCommand(flags, theirs, r.output)
	started := make(chan error, 1)
	go r.keep(cmd, started)
	err = <-started
	theirs.Close()
	if err != nil {
		ours.close()
		// EINVAL is a kernel without one of the namespaces, ENOSPC one whose limit
		// on them is reached or 0 (clone(2)).
		if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
			return nil, fmt.Errorf("rig: %w: %w", ErrNotAllowed, err)
		}
		return nil, fmt.Errorf("rig: start: %w", err)
	}
	r.process = cmd.Process
	stop := context.AfterFunc(ctx, func() { ours.close() })
	answer, _, err := ours.ask(message{Settings: &set})
	if !stop() {
		err = errors.Join(err, ctx.Err())
	}
	if err == nil {
		err = answer.problem()
	}
	if err != nil {
		r.Close()
		return nil, r.explain(fmt.Errorf("rig: start: %w", err))
	}
	r.names, r.ports = set.names(), set.ports()
	r.socket = fmt.Sprintf("/proc/%d/root%s", cmd.Process.Pid, innerSocket)
	return r, nil
}

// innerCommand is this program again, as first process of new namespaces. It gets
// its own session, so that an interrupt from the terminal reaches only the caller,
// who may still have a card to finish.
func innerCommand(flags uintptr, control *os.File, output io.Writer) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{innerName}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{control}
	cmd.WaitDelay = time.Second
	attr := &syscall.SysProcAttr{Cloneflags: flags, Setsid: true, Pdeathsig: syscall.SIGKILL}
	if flags&syscall.CLONE_NEWUSER != 0 {
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	cmd.SysProcAttr = attr
	return cmd
}

// keep starts the inner process and stays with it, on one thread: the kernel
// sends the parent-death signal when the thread that started it ends.
func (r *Rig) keep(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait() // why it ended shows in the output and on the control socket
	}
	close(r.ended)
}

// explain adds pcscd's last words to an error.
func (r *Rig) explain(err error) error {
	if said := r.output.last(); said != "" {
		return fmt.Errorf("%w (last output: %s)", err, said)
	}
	return err
}

// Names lists the readers as PC/SC names them: "cardstation DEMO 00 00",
// "cardstation DEMO 00 01", "cardstation DEMO 2 00 00" ...
func (r *Rig) Names() []string { return append([]string(nil), r.names...) }

// Socket is the path of the private pcscd's socket, for PCSCLITE_CSOCK_NAME. It
// works for processes of the same user and for root. libpcsclite reads the
// variable once: set it before the first PC/SC call of the process.
func (r *Rig) Socket() string { return r.socket }

// Dial gives a connection to vpcd of reader i (as in Names), made inside the
// network namespace: what speaks on it is the card in that reader, and closing it
// takes the card out. A reader takes one card; a second connection waits.
func (r *Rig) Dial(i int) (net.Conn, error) {
	if i < 0 || i >= len(r.ports) {
		return nil, fmt.Errorf("rig: no reader %d of %d", i, len(r.ports))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	answer, file, err := r.control.ask(message{Dial: r.ports[i]})
	if err == nil {
		err = answer.problem()
	}
	if err != nil {
		return nil, r.explain(fmt.Errorf("rig: insert into %q: %w", r.names[i], err))
	}
	if file == nil {
		return nil, fmt.Errorf("rig: insert into %q: no connection came back", r.names[i])
	}
	defer file.Close()
	return net.FileConn(file)
}

// Done is closed when the private pcscd has ended, by Close or by itself.
func (r *Rig) Done() <-chan struct{} { return r.ended }

// Close ends the private pcscd and all that belongs to it: the process killed is
// the first of its namespace. It may be called again.
func (r *Rig) Close() error {
	r.control.close()
	_ = r.process.Kill() // that it has ended already is what we want
	select {
	case <-r.ended:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("rig: pcscd did not end within 5 s")
	}
}

// tail passes output on and remembers its end.
type tail struct {
	mu   sync.Mutex
	next io.Writer
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if n := len(t.kept) - 512; n > 0 {
		t.kept = append(t.kept[:0], t.kept[n:]...)
	}
	if t.next == nil {
		return len(b), nil
	}
	return t.next.Write(b)
}

// last gives the last line written.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.kept), []byte("\n"))
	return string(lines[len(lines)-1])
}
