package biometrics

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A decoder that does not end is ended, and it is the image's fault.
func TestDecoderThatDoesNotEndIsEnded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := run(ctx, t.TempDir(), nil, "/bin/sleep", "300"); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}
