// Package limits states what AWS Secrets Manager accepts. It is separate from package
// awssm so that functions that only check these limits do not link the SDK.
package limits

import (
	"time"

	"goblins-secrets/pkg/delivery"
)

// MaxSecretSize is the largest value of a Secrets Manager secret, in bytes.
const MaxSecretSize = 65536

// SecretsManager returns the limits of deliveries. Secrets Manager keeps each version
// of the last 24 hours and refuses the 101st; 90 leaves room for versions that other
// writers make.
func SecretsManager() delivery.Limits {
	return delivery.Limits{
		BundleSize: MaxSecretSize,
		Pace: delivery.Pace{
			Window: 24 * time.Hour,
			Burst:  20,
			Every:  15 * time.Minute,
			Most:   90,

			Reserved: 10,
		},
	}
}
