package lds

import (
	"crypto/ecdsa"
	"fmt"
	"maps"
	"slices"
	"time"

	"cardstation/personalize/pki"
)

// Versions that Build writes: LDS 1.7, whose security object is of version 0, is
// what every reader takes.
const (
	versionLDS     = "0107"
	versionUnicode = "040000"
)

// Build completes the data groups with EF.COM and EF.SOD: hashes as strong as the
// document signer's key, signed by it. The key's usage period must include now. A
// document without DG2 is of a holder of whom no portrait is taken. The files given
// are not copied.
func Build(groups Files, signer pki.Identity, now time.Time) (Files, error) {
	if from, to, ok := pki.UsagePeriod(signer.Certificate); ok && (now.Before(from) || now.After(to)) {
		return nil, fmt.Errorf("document signer's key may sign from %s to %s only", from.Format(time.DateOnly), to.Format(time.DateOnly))
	}
	key, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("document signer has a %T, want an ECDSA key", signer.Public())
	}
	o := SecurityObject{Hash: pki.HashOf(key), Groups: map[FileID][]byte{}}
	common := Common{LDS: versionLDS, Unicode: versionUnicode}
	files := Files{}
	for _, f := range slices.Sorted(maps.Keys(groups)) {
		if f.Group() == 0 {
			return nil, fmt.Errorf("%s is no data group", f)
		}
		if _, err := body(f, groups[f]); err != nil {
			return nil, err
		}
		files[f] = groups[f]
		o.Groups[f] = pki.Digest(o.Hash, groups[f])
		common.Groups = append(common.Groups, f)
	}
	if files[DG1] == nil {
		return nil, fmt.Errorf("no DG1, which every document has")
	}
	var err error
	if files[COM], err = common.Encode(); err != nil {
		return nil, err
	}
	if files[SOD], err = SignSOD(o, signer); err != nil {
		return nil, err
	}
	return files, nil
}
