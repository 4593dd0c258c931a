package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"cardstation/station"
)

// Enrolment gives one; station.Unknown where there is none.
func (s *Store) Enrolment(ctx context.Context, id string) (e station.Enrolment, err error) {
	err = s.view(ctx, func(t *tx) error { e, err = enrolments.get(t, id); return err })
	return e, err
}

// Enrolments gives a page of them and the cursor of the next one, empty after
// the last.
func (s *Store) Enrolments(ctx context.Context, q station.Query) (page []station.Enrolment, next string, err error) {
	err = s.view(ctx, func(t *tx) error { page, next, err = enrolments.list(t, q); return err })
	return page, next, err
}

// PutEnrolment writes a new one with its event. Where the ID is known nothing
// changes. The answer is what is stored under the ID.
func (s *Store) PutEnrolment(ctx context.Context, e station.Enrolment, event station.Event) (stored station.Enrolment, err error) {
	err = s.update(ctx, func(t *tx) error {
		old, _, known, err := enrolments.find(t, e.ID)
		if err != nil {
			return err
		}
		if known {
			stored = old
			return nil
		}
		stored = e
		stored.Format = station.Format
		return t.putEnrolment(station.Enrolment{}, stored, nil, []station.Event{event})
	})
	return stored, err
}

// UpdateEnrolment changes one with its images and the events that change gives,
// in one transaction. change is pure. Of the images those are kept that a capture or
// sample names; one that none of any enrolment names any more is removed.
func (s *Store) UpdateEnrolment(ctx context.Context, id string, images []station.Image, change func(*station.Enrolment) ([]station.Event, error)) (station.Enrolment, error) {
	return s.updateEnrolment(ctx, id, images, nil, change)
}

// FinalizeEnrolment is UpdateEnrolment, and keeps the prints in the same transaction where
// change leaves the enrolment final.
func (s *Store) FinalizeEnrolment(ctx context.Context, id string, prints []station.Print, change func(*station.Enrolment) ([]station.Event, error)) (station.Enrolment, error) {
	return s.updateEnrolment(ctx, id, nil, prints, change)
}

func (s *Store) updateEnrolment(ctx context.Context, id string, images []station.Image, prints []station.Print, change func(*station.Enrolment) ([]station.Event, error)) (e station.Enrolment, err error) {
	byDigest := map[string]station.Image{}
	for _, img := range images {
		byDigest[img.Digest()] = img
	}
	err = s.update(ctx, func(t *tx) error {
		old, err := enrolments.get(t, id)
		if err != nil {
			return err
		}
		e = old
		e.Captures, e.Samples, e.Hands = slices.Clone(old.Captures), slices.Clone(old.Samples), slices.Clone(old.Hands)
		events, err := change(&e)
		if err != nil {
			return err
		}
		e.ID, e.Format = old.ID, station.Format
		if e.State == station.EnrolmentFinal {
			if err := t.putPrints(e.ID, prints); err != nil {
				return err
			}
		}
		return t.putEnrolment(old, e, byDigest, events)
	})
	return e, err
}

// DeleteEnrolment removes one with its images and prints; its events stay. change is pure
// and may refuse.
func (s *Store) DeleteEnrolment(ctx context.Context, id string, change func(station.Enrolment) ([]station.Event, error)) error {
	return s.update(ctx, func(t *tx) error {
		old, err := enrolments.get(t, id)
		if err != nil {
			return err
		}
		events, err := change(old)
		if err != nil {
			return err
		}
		if err := t.putImages(old, station.Enrolment{ID: old.ID}, nil); err != nil {
			return err
		}
		if err := t.removePrints(id); err != nil {
			return err
		}
		if err := enrolments.remove(t, id); err != nil {
			return err
		}
		return t.append(events...)
	})
}

func (t *tx) putEnrolment(old, e station.Enrolment, images map[string]station.Image, events []station.Event) error {
	if _, err := enrolments.put(t, &e); err != nil {
		return err
	}
	if err := t.putImages(old, e, images); err != nil {
		return err
	}
	return t.append(events...)
}

// Image gives a captured image by its digest, hex; station.Unknown where there
// is none. What comes back has that digest.
func (s *Store) Image(ctx context.Context, digest string) (img station.Image, err error) {
	err = s.view(ctx, func(t *tx) error {
		raw := t.Bucket(bucketImages).Get([]byte(digest))
		media, data, ok := bytes.Cut(raw, []byte{0})
		if !ok {
			return &station.Error{Kind: station.Unknown, What: fmt.Sprintf("there is no image %.64q", digest)}
		}
		img = station.Image{Media: string(media), Data: bytes.Clone(data)}
		return nil
	})
	if err == nil && img.Digest() != digest {
		return station.Image{}, fmt.Errorf("image %s is damaged in the store", digest)
	}
	return img, err
}

// putImages brings the images in step with what captures and samples name: the new ones
// are written, those that nothing names any more are removed.
func (t *tx) putImages(old, e station.Enrolment, images map[string]station.Image) error {
	before, after := digests(old), digests(e)
	store, refs := t.Bucket(bucketImages), t.Bucket(bucketImageRefs)
	for digest := range after {
		if img, ok := images[digest]; ok && store.Get([]byte(digest)) == nil {
			if err := store.Put([]byte(digest), slices.Concat([]byte(img.Media), []byte{0}, img.Data)); err != nil {
				return err
			}
		}
		if raw, err := hex.DecodeString(digest); err != nil || len(raw) != sha256.Size || store.Get([]byte(digest)) == nil {
			return fmt.Errorf("enrolment %s names an image that was not given", e.ID)
		}
		if err := refs.Put(imageRef(digest, e.ID), []byte{}); err != nil {
			return err
		}
	}
	for digest := range before {
		if after[digest] {
			continue
		}
		if err := refs.Delete(imageRef(digest, e.ID)); err != nil {
			return err
		}
		if key, _ := refs.Cursor().Seek(imageRef(digest, "")); bytes.HasPrefix(key, imageRef(digest, "")) {
			continue
		}
		if err := store.Delete([]byte(digest)); err != nil {
			return err
		}
	}
	return nil
}

func digests(e station.Enrolment) map[string]bool {
	all := map[string]bool{}
	for _, c := range e.Captures {
		if c.Digest != "" {
			all[c.Digest] = true
		}
	}
	for _, s := range e.Samples {
		all[s.Digest] = true
	}
	return all
}

func imageRef(digest, enrolment string) []byte {
	return slices.Concat([]byte(digest), []byte{0}, []byte(enrolment))
}
