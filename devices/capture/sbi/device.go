package sbi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Status is a device's own word on itself.
type Status string

// The states of a device.
const (
	Ready         Status = "Ready"
	Busy          Status = "Busy"
	NotReady      Status = "Not Ready"
	NotRegistered Status = "Not Registered"
)

// err is nil for a device that is ready.
func (s Status) err() error {
	switch s {
	case Ready:
		return nil
	case Busy:
		return ErrBusy
	case NotReady:
		return ErrNotReady
	case NotRegistered:
		return ErrNotRegistered
	}
	return malformed("a device status of its own")
}

// Device is a scanner or camera behind a service. What stands in it comes from an
// unsigned answer; Info has the same signed.
type Device struct {
	ID       string // the service's own for it
	Address  string // base URL of the service, ending in a slash
	Status   Status // when it was found
	Purpose  string // Registration or Auth
	Identity DigitalID

	client   *Client
	subIDs   []text
	captures atomic.Int32 // under way
}

// Discover asks each port for devices of a type and gives those that answered, by
// port. What does not speak SBI is passed over. An error means that ctx ended.
func (c *Client) Discover(ctx context.Context, t Type) ([]*Device, error) {
	found := make([][]*Device, len(c.opt.Ports))
	var all sync.WaitGroup
	limit := make(chan struct{}, 16)
	for i, port := range c.opt.Ports {
		limit <- struct{}{}
		all.Go(func() {
			defer func() { <-limit }()
			found[i] = c.probe(ctx, t, "http://127.0.0.1:"+strconv.Itoa(port)+"/")
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, &Error{Op: "discover", Device: "ports of 127.0.0.1", Err: ctx.Err()}
	}
	return slices.Concat(found...), nil
}

// probe gives the devices behind one address, nil where there are none.
func (c *Client) probe(ctx context.Context, t Type, address string) []*Device {
	ctx, stop := context.WithTimeout(ctx, c.opt.Grace)
	defer stop()
	body, err := c.ask(ctx, methodDiscover, address+"device", discoverRequest{Type: t}, maxAnswer)
	if err != nil {
		return nil
	}
	devices, _ := c.readDiscovery(body, t, address)
	return devices
}

// readDiscovery decodes the answer to a discovery.
func (c *Client) readDiscovery(body []byte, t Type, address string) ([]*Device, error) {
	var entries []discovered
	if err := json.Unmarshal(body, &entries); err != nil {
		return nil, malformed("the discovery's answer is no such JSON")
	}
	var devices []*Device
	for _, e := range entries {
		d := &Device{ID: e.DeviceID, Address: address, Status: e.DeviceStatus, Purpose: e.Purpose, client: c, subIDs: e.DeviceSubID}
		if e.DeviceID == "" || unsigned(e.DigitalID, &d.Identity) != nil || t != AnyDevice && d.Identity.Type != t {
			continue
		}
		if e.CallbackID != "" {
			base, err := c.callback(e.CallbackID)
			if err != nil {
				continue
			}
			d.Address = base
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// callback checks the address that a service names for further requests: HTTP on
// 127.0.0.1 and a port among those that are asked, so that nobody is sent elsewhere.
func (c *Client) callback(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", malformed("the service's address is not HTTP on 127.0.0.1")
	}
	if port, err := strconv.Atoi(u.Port()); err != nil || !slices.Contains(c.opt.Ports, port) {
		return "", malformed("the service's address has a port out of range")
	}
	return strings.TrimRight(u.String(), "/") + "/", nil
}

// String is maker, model and serial, and where it is.
func (d *Device) String() string {
	return fmt.Sprintf("%s (%s)", cmp.Or(d.Identity.String(), printable(d.ID, 60)), strings.TrimSuffix(strings.TrimPrefix(d.Address, "http://"), "/"))
}

// Info is what a device says of itself, signed.
type Info struct {
	Identity       DigitalID
	Status         Status
	Env, Purpose   string
	Certification  string // L0: signs on the host, L1: signs in the device
	Firmware       string
	ServiceVersion string
	SubIDs         []string // sensors: 1 left, 2 right, 3 thumbs or both irises, 0 none in particular
	Demo           bool     // signed by a key for demonstration
}

// Info asks the device for its signed description. A device that is busy or not ready
// describes itself too: look at Status. Errors: ErrNotRegistered, ErrGone, ErrUntrusted.
func (d *Device) Info(ctx context.Context) (Info, error) {
	mine, stop := context.WithTimeout(ctx, d.client.opt.Grace)
	defer stop()
	body, err := d.client.ask(mine, methodInfo, d.Address+"info", struct{}{}, maxAnswer)
	if err != nil {
		return Info{}, fail(ctx, "info", d.String(), err)
	}
	info, err := d.client.trust.readInfo(body, d.ID)
	if err == nil && !info.Identity.same(d.Identity) {
		err = fmt.Errorf("%w: it says to be %s", ErrUntrusted, info.Identity)
	}
	if err != nil {
		return Info{}, fail(ctx, "info", d.String(), err)
	}
	return info, nil
}

// readInfo decodes and checks the answer to a device info request: the entry of the
// device with this ID.
func (t trust) readInfo(body []byte, id string) (Info, error) {
	var entries []infoEntry
	if err := json.Unmarshal(body, &entries); err != nil {
		return Info{}, malformed("the device info is no such JSON")
	}
	missing := fmt.Errorf("%w: its service does not know it any more", ErrGone)
	for _, e := range entries {
		if e.DeviceInfo == "" {
			if err := e.Error.err(); err != nil {
				missing = err
			}
			continue
		}
		var data infoData
		if !strings.Contains(e.DeviceInfo, ".") {
			if err := unsigned(e.DeviceInfo, &data); err != nil {
				return Info{}, err
			}
			if data.DeviceID == id {
				return Info{}, ErrNotRegistered
			}
			continue
		}
		payload, leaf, err := t.open(e.DeviceInfo)
		if err != nil {
			return Info{}, err
		}
		if json.Unmarshal(payload, &data) != nil {
			return Info{}, malformed("the signed device info is no such JSON")
		}
		if data.DeviceID != id {
			continue
		}
		return t.describe(data, isDemo(leaf))
	}
	return Info{}, missing
}

// describe makes an Info of what was signed.
func (t trust) describe(data infoData, demo bool) (Info, error) {
	identity, err := t.signedID(data.DigitalID)
	if err != nil {
		return Info{}, err
	}
	if data.DeviceCode != identity.SerialNo {
		return Info{}, mismatched("the device code is not the serial number")
	}
	info := Info{Identity: identity, Status: data.DeviceStatus, Env: data.Env, Purpose: data.Purpose, Certification: data.Certification,
		Firmware: data.Firmware, ServiceVersion: data.ServiceVersion, Demo: demo}
	for _, s := range data.DeviceSubID {
		info.SubIDs = append(info.SubIDs, string(s))
	}
	return info, nil
}
