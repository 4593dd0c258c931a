package centre

import (
	"context"
	"errors"
	"testing"

	"cardstation/station"
)

// tray takes every order.
type tray struct{ got []station.Order }

func (t *tray) PutOrder(_ context.Context, o station.Order, _ ...station.Event) (station.Order, error) {
	t.got = append(t.got, o)
	return o, nil
}

func FuzzTake(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(`{"format":1,"id":"o1","profile":"softcard","citizen":{"personalNumber":"001200000001"}}`))
	f.Add([]byte(`{"format":2,"id":"o1","profile":"softcard","citizen":{"personalNumber":"001200000001"}}`))
	f.Add([]byte(`{"portrait":"AAAA","receipt":{"elapsed":-1},"steps":[null]}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var in tray
		err := take(bg, &in, raw, "centre")
		if err != nil && !errors.Is(err, errForeign) {
			t.Fatal(err)
		}
		if (err == nil) != (len(in.got) == 1) {
			t.Fatalf("%d orders taken with error %v", len(in.got), err)
		}
		if err == nil && (in.got[0].ID == "" || in.got[0].Format > station.Format) {
			t.Fatalf("taken: %+v", in.got[0])
		}
	})
}
