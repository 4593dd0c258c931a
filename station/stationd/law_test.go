package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "cardstation/"

// floors are the rooms from the ground up. A package may import, of this module,
// its own room's siblings listed below it and nothing of a floor at or above its
// own, except where beside allows it.
var floors = [][]string{
	{"devices/card", "devices/card/tlv"},
	{"devices/card/access"},
	{"devices/card/cardtest"},
	{"biometrics/wsq"}, // below its own wing's root, which decodes it as it does PNG and JPEG
	{"devices/softcard", "devices/pcsc", "devices/pcsc/rig", "devices/capture", "devices/printer", "biometrics", "station"},
	{"biometrics/finger", "biometrics/face", "biometrics/record", "biometrics/itl", "biometrics/synth"},
	{"personalize/mrz", "personalize/artwork"},
	{"personalize/cccd", "personalize/pki"},
	{"personalize/lds"},
	{"personalize/emrtd", "personalize/piv"},
	{"personalize"},
	{"station/enrol", "station/issue", "station/verify", "station/store", "station/centre"},
	{"api/console"},
	{"api"},
	{"station/stationd"},
}

// beside are the imports allowed within one floor, each with its reason.
var beside = map[string]string{
	"devices/card -> devices/card/tlv":          "the ground speaks TLV",
	"devices/card/tlv -> devices/card":          "the ground speaks TLV",
	"biometrics/itl -> biometrics/record":       "a transaction holds records",
	"personalize/artwork -> personalize/mrz":    "the back of the card shows the MRZ",
	"personalize/cccd -> personalize/mrz":       "the number stands in the MRZ",
	"devices/softcard -> devices/card/cardtest": "conformance",
}

// gates are the only rooms that may import a library directly.
var gates = map[string]string{
	"github.com/gin-gonic/gin":      "api",
	"github.com/danielgtaylor/huma": "api",
	"go.etcd.io/bbolt":              "station/store",
	"github.com/nats-io/nats.go":    "station/centre",
	"github.com/ebfe/scard":         "devices/pcsc",
	"github.com/go-piv/piv-go":      "personalize/piv",
}

// ground rooms need only the standard library.
var ground = map[string]bool{"devices/card": true, "devices/card/tlv": true, "biometrics/wsq": true, "station": true}

type pkg struct {
	ImportPath string
	GoFiles    []string
	CgoFiles   []string
	Imports    []string
}

// room is the listed room a package belongs to: itself or the nearest parent.
func room(importPath string) (string, int) {
	p := strings.TrimPrefix(importPath, module)
	for {
		for i, floor := range floors {
			for _, r := range floor {
				if r == p {
					return r, i
				}
			}
		}
		cut := strings.LastIndexByte(p, '/')
		if cut < 0 {
			return "", -1
		}
		p = p[:cut]
	}
}

func wing(r string) string {
	w, _, _ := strings.Cut(r, "/")
	return w
}

// broken tells why a package may not import another; empty where it may.
func broken(from, to string) string {
	fr, ff := room(from)
	if !strings.HasPrefix(to, module) {
		if ground[fr] && strings.Contains(strings.SplitN(to, "/", 2)[0], ".") {
			return fmt.Sprintf("%s is ground: standard library only", fr)
		}
		for lib, gate := range gates {
			if (to == lib || strings.HasPrefix(to, lib+"/")) && fr != gate && !strings.HasPrefix(fr, gate+"/") {
				return fmt.Sprintf("%s stops at %s", lib, gate)
			}
		}
		return ""
	}
	tr, tf := room(to)
	switch {
	case fr == "":
		return "the package is in no room of the house"
	case tr == "":
		return "what it imports is in no room of the house"
	case fr == tr:
		return ""
	case (wing(fr) == "devices" || wing(fr) == "biometrics" || fr == "station") && wing(fr) != wing(tr):
		return "devices, biometrics and the nouns of station import nothing of each other nor of any wing above"
	case wing(fr) == "personalize" && wing(tr) == "station":
		return "personalize never imports station"
	case tf > ff:
		return fmt.Sprintf("imports point down: floor %d may not know floor %d", ff, tf)
	case tf == ff && beside[fr+" -> "+tr] == "":
		return "rooms of one floor do not know each other"
	}
	return ""
}

// modulePackages lists this module's packages with their direct imports.
func modulePackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,GoFiles,CgoFiles,Imports", "cardstation/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		if strings.HasPrefix(p.ImportPath, module) {
			all = append(all, p)
		}
	}
	return all
}

func TestImportsPointDown(t *testing.T) {
	all := modulePackages(t)
	if len(all) < 10 {
		t.Fatalf("only %d packages seen: the test looks at the wrong place", len(all))
	}
	for _, p := range all {
		for _, to := range p.Imports {
			if why := broken(p.ImportPath, to); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, to, why)
			}
		}
		if len(p.CgoFiles) > 0 {
			t.Errorf("%s uses cgo itself: cgo comes only through scard and piv-go", p.ImportPath)
		}
	}
}

func TestPIVGoStandsInOneFile(t *testing.T) {
	out, err := exec.Command("grep", "-rl", "--include=*.go", "--exclude=*_test.go", "github.com/go-piv/piv-go", "../../personalize", "../../station", "../../devices", "../../api").Output()
	if err != nil && len(out) == 0 {
		t.Fatal("piv-go stands nowhere: the adapter is gone or the test looks at the wrong place")
	}
	if files := strings.Fields(string(out)); len(files) != 1 {
		t.Errorf("piv-go stands in %d files, one is allowed: %v", len(files), files)
	}
}

// The law itself is held against what it must forbid and allow.
func TestLawForbids(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"station/issue", "station/verify", false},
		{"personalize", "station", false},
		{"personalize/lds", "personalize/emrtd", false},
		{"devices/softcard", "devices/pcsc", false},
		{"devices/capture", "biometrics", false},
		{"biometrics", "station", false},
		{"biometrics", "biometrics/wsq", true},
		{"biometrics/wsq", "biometrics", false},
		{"station/issue", "personalize", true},
		{"personalize/lds", "biometrics/record", true},
		{"api", "station/enrol", true},
		{"station/enrol", "biometrics/face", true},
	} {
		if got := broken(module+c.from, module+c.to) == ""; got != c.ok {
			t.Errorf("%s -> %s: allowed %v, want %v", c.from, c.to, got, c.ok)
		}
	}
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"station/verify", "github.com/gin-gonic/gin", false},
		{"station/centre", "go.etcd.io/bbolt", false},
		{"devices/card", "golang.org/x/crypto/cmac", false},
		{"station/store", "go.etcd.io/bbolt", true},
		{"devices/card", "encoding/hex", true},
	} {
		if got := broken(module+c.from, c.to) == ""; got != c.ok {
			t.Errorf("%s -> %s: allowed %v, want %v", c.from, c.to, got, c.ok)
		}
	}
}
