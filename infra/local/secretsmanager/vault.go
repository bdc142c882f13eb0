package secretsmanager

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"goblins-secrets/infra/local/awsjson"
)

const (
	arnPrefix   = "arn:aws:secretsmanager:us-east-1:000000000000:secret:"
	arnSuffix   = 1 + 6 // a hyphen and random characters
	fileVersion = 2

	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"

	// Quotas of AWS Secrets Manager.
	maxVersions = 100
	maxStages   = 20
	keptFor     = 24 * time.Hour // each version is kept at least this long
)

// vault is the server's state: secrets by name.
type vault map[string]secret

// file is the JSON shape of the file.
type file struct {
	Version int   `json:"version"`
	Secrets vault `json:"secrets"`
}

type secret struct {
	name        string             // its key in the vault
	ARN         string             `json:"arn"`
	Description string             `json:"description,omitempty"`
	KMSKeyID    string             `json:"kms_key_id,omitempty"`
	Tags        []tag              `json:"tags,omitempty"`
	CreatedAt   time.Time          `json:"created_at"`
	ChangedAt   time.Time          `json:"changed_at"`
	DeletesAt   *time.Time         `json:"deletes_at,omitempty"`
	Stages      map[string]string  `json:"stages"` // label to version id
	Versions    map[string]version `json:"versions"`
}

type tag struct{ Key, Value string }

type version struct {
	CreatedAt time.Time `json:"created_at"`
	Binary    bool      `json:"binary"`
	Sealed    []byte    `json:"sealed"`
}

// associatedData returns the associated data of a version's value.
func (sec secret) associatedData(versionID string) map[string]string {
	return map[string]string{"secret": sec.ARN, "version": versionID}
}

// stagesOf returns the labels of a version, sorted as in AWS.
func (sec secret) stagesOf(versionID string) []string {
	var stages []string
	for stage, id := range sec.Stages {
		if id == versionID {
			stages = append(stages, stage)
		}
	}
	slices.Sort(stages)
	return stages
}

// attach moves a label to a version. If AWSCURRENT moves, the old version gets AWSPREVIOUS.
func (sec *secret) attach(stage, versionID string) {
	if old, ok := sec.Stages[stage]; ok && stage == current && old != versionID {
		sec.Stages[previous] = old
	}
	sec.Stages[stage] = versionID
}

// keepQuotas removes versions without a label, oldest first, until the quota is met. It
// returns an error if versions or labels still exceed their quota.
func (sec *secret) keepQuotas(now time.Time) error {
	if len(sec.Stages) > maxStages {
		return fail("LimitExceededException", "A secret can have at most %d staging labels.", maxStages)
	}
	for _, id := range sec.versionIDs() {
		if len(sec.Versions) <= maxVersions {
			return nil
		}
		if len(sec.stagesOf(id)) == 0 && now.Sub(sec.Versions[id].CreatedAt) >= keptFor {
			delete(sec.Versions, id)
		}
	}
	if len(sec.Versions) > maxVersions {
		return fail("LimitExceededException", "A secret can have at most %d versions, and versions of the last 24 hours are not removed.", maxVersions)
	}
	return nil
}

// versionIDs returns the version ids, oldest first.
func (sec secret) versionIDs() []string {
	return slices.SortedFunc(maps.Keys(sec.Versions), func(a, b string) int {
		return cmp.Or(sec.Versions[a].CreatedAt.Compare(sec.Versions[b].CreatedAt), cmp.Compare(a, b))
	})
}

// put adds a version with these labels. A secret's first version also gets AWSCURRENT.
// The ClientRequestToken is an idempotency token: a repeated put changes nothing.
func (s *Server) put(sec *secret, in valueRequest, stages []string) error {
	id := in.ClientRequestToken
	plaintext, binary := in.value()
	if old, ok := sec.Versions[id]; ok {
		held, err := s.sealer.Open(sec.associatedData(id), old.Sealed)
		if err != nil {
			return fmt.Errorf("open value: %w", err)
		}
		if old.Binary != binary || !bytes.Equal(held, plaintext) {
			return fail("ResourceExistsException", "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", id, sec.ARN)
		}
		return nil
	}
	sealed, err := s.sealer.Seal(sec.associatedData(id), plaintext)
	if err != nil {
		return fmt.Errorf("seal value: %w", err)
	}
	if len(sec.Versions) == 0 {
		sec.attach(current, id)
	}
	for _, stage := range stages {
		sec.attach(stage, id)
	}
	sec.ChangedAt = s.Now().UTC()
	sec.Versions[id] = version{CreatedAt: sec.ChangedAt, Binary: binary, Sealed: sealed}
	return nil
}

// newARN returns a new ARN, different even from those of earlier secrets of the name.
func newARN(name string) string {
	return arnPrefix + name + "-" + rand.Text()[:arnSuffix-1]
}

// find returns the secret behind id: a name, or an ARN with or without its random
// characters.
func (v vault) find(id string) (secret, error) {
	if err := awsjson.Between("secretId", len(id), 1, 2048); err != nil {
		return secret{}, err
	}
	if sec, ok := v[id]; ok {
		return sec, nil
	}
	for _, sec := range v {
		if sec.ARN == id || sec.ARN[:len(sec.ARN)-arnSuffix] == id {
			return sec, nil
		}
	}
	return secret{}, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

// findLive is find for the operations that fail on a deleted secret.
func (v vault) findLive(id string) (secret, error) {
	sec, err := v.find(id)
	if err == nil && sec.DeletesAt != nil {
		err = fail("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	}
	return sec, err
}

// kept returns the vault without the secrets whose recovery window has ended.
func (s *Server) kept() vault { return s.keep(s.state.Load().Secrets) }

// keep returns a shallow copy of a vault, without those secrets.
func (s *Server) keep(v vault) vault {
	kept, now := maps.Clone(v), s.Now()
	maps.DeleteFunc(kept, func(_ string, sec secret) bool {
		return sec.DeletesAt != nil && !now.Before(*sec.DeletesAt)
	})
	return kept
}

// update applies change to a copy of the vault.
func (s *Server) update(change func(vault) error) error {
	return s.state.Update(func(old file) (file, error) {
		next := s.keep(old.Secrets)
		return file{fileVersion, next}, change(next)
	})
}

// changeSecret applies change to a copy of the secret behind id and returns the
// result. A deleted secret is an error.
func (s *Server) changeSecret(id string, change func(*secret) error) (sec secret, err error) {
	err = s.update(func(v vault) error {
		if sec, err = v.findLive(id); err != nil {
			return err
		}
		sec.Tags, sec.Stages, sec.Versions = slices.Clone(sec.Tags), maps.Clone(sec.Stages), maps.Clone(sec.Versions)
		if err := cmp.Or(change(&sec), sec.keepQuotas(s.Now())); err != nil {
			return err
		}
		v[sec.name] = sec
		return nil
	})
	return sec, err
}

// check validates a vault read from a file and sets the names of its secrets. It repairs
// nothing: the next change would overwrite whatever is missing for good.
func (f file) check() error {
	if f.Version != fileVersion || f.Secrets == nil {
		return fmt.Errorf("want version %d and secrets", fileVersion)
	}
	for name, sec := range f.Secrets {
		if !strings.HasPrefix(sec.ARN, arnPrefix+name+"-") || len(sec.ARN) != len(arnPrefix+name)+arnSuffix {
			return fmt.Errorf("secret %q has the ARN of another name", name)
		}
		if sec.Stages == nil || sec.Versions == nil {
			return fmt.Errorf("secret %q has no stages or versions", name)
		}
		for stage, id := range sec.Stages {
			if _, ok := sec.Versions[id]; !ok {
				return fmt.Errorf("secret %q has %s on a version that does not exist", name, stage)
			}
		}
		for id, v := range sec.Versions {
			if len(v.Sealed) == 0 {
				return fmt.Errorf("version %s of secret %q has no value", id, name)
			}
		}
		sec.name = name
		f.Secrets[name] = sec
	}
	return nil
}
