package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/config"
	"gxcoin.money/gx/internal/platform/sealed"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/people"
)

type keyCmd struct {
	Token  tokenKeyCmd  `cmd:"" help:"Print a new key that signs access tokens."`
	Field  fieldKeyCmd  `cmd:"" help:"Print a new key that seals personal data."`
	List   listKeysCmd  `cmd:"" help:"List the keys whose access tokens are or were accepted."`
	Retire retireKeyCmd `cmd:"" help:"Refuse the access tokens of a key from now on."`
	Reseal resealCmd    `cmd:"" help:"Seal personal data again, with the first of the keys."`
}

type tokenKeyCmd struct{}

// Run prints a key in PEM.
func (tokenKeyCmd) Run(p *program) error {
	key, err := token.GenerateKey()
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(key)
	return err
}

type fieldKeyCmd struct{}

// Run prints a key with its id.
func (fieldKeyCmd) Run(p *program) error {
	_, err := fmt.Fprintln(p.stdout, sealed.NewKey())
	return err
}

type listKeysCmd struct {
	operatedSettings `embed:""`
}

// Run lists the keys, the newest first.
func (c listKeysCmd) Run(ctx context.Context, p *program) error {
	pool, err := c.open(ctx, "gx_service")
	if err != nil {
		return err
	}
	defer pool.Close()
	keys, err := token.List(ctx, pool)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "KEY\tSINCE\tRETIRED")
	for _, k := range keys {
		retired := "-"
		if k.RetiredAt != nil {
			retired = k.RetiredAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", k.KeyID, k.CreatedAt.UTC().Format(time.RFC3339), retired)
	}
	return w.Flush()
}

type retireKeyCmd struct {
	Key              string `arg:"" help:"Id of the key, see gx key list."`
	operatedSettings `embed:""`
}

// Run retires the key for good.
func (c retireKeyCmd) Run(ctx context.Context, p *program) error {
	pool, err := c.open(ctx, "gx_service")
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := token.Retire(ctx, pool, clock.System, c.Key); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "The key is retired; within half a minute no service accepts its tokens.")
	return nil
}

type resealCmd struct {
	FieldKeys        config.Secret `placeholder:"KEYS" help:"Keys that seal personal data, the new one first. By default those in the data directory."`
	Pepper           config.Secret `placeholder:"KEY" help:"That of the services, for what was sealed before there were such keys. By default that in the data directory."`
	operatedSettings `embed:""`
}

// Help is printed with the flags.
func (resealCmd) Help() string {
	return `A key is replaced without downtime: append a new one, of "gx key field", to the keys of every service and restart them, one after the other; move it to the front and restart them again; run this; then remove the old one. With "gx up" the keys are secrets/field-keys in the data directory, and one restart with the new key in front is enough.`
}

// Run seals what another key has sealed, while the services are at work.
func (c resealCmd) Run(ctx context.Context, p *program) error {
	k := keys{pepper: c.Pepper, fields: c.FieldKeys}
	if k.fields == "" {
		for name, secret := range map[string]*config.Secret{"field-keys": &k.fields, "pepper": &k.pepper} {
			content, err := os.ReadFile(filepath.Join(c.DataDir, "secrets", name))
			if err != nil {
				return fmt.Errorf("%w; or give --field-keys", err)
			}
			*secret = config.Secret(content)
		}
	}
	ring, err := k.ring()
	if err != nil {
		return err
	}
	pool, err := c.open(ctx, "gx_service")
	if err != nil {
		return err
	}
	defer pool.Close()
	n, err := people.Reseal(ctx, pool, ring)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s sealed again; no other key is needed any more.\n", count(int64(n), "field"))
	return nil
}
