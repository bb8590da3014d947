package fabric

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"gxcoin.money/gx/contract/chaincode"
	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/protocol/role"
)

// watchWallet is how often the wallet is looked at for renewed certificates.
const watchWallet = 30 * time.Second

// identities are the client identities of our organization, one for each ledger
// role. A certificate that is renewed in the wallet is taken into use.
type identities struct {
	msp, wallet string
	log         *slog.Logger

	mu     sync.RWMutex
	byRole map[role.Role]walletEntry
}

type walletEntry struct {
	*connection.Identity
	modified time.Time // of the certificate's file
}

// readIdentities reads those that the wallet has; at least one.
func readIdentities(msp, wallet string, log *slog.Logger) (*identities, error) {
	ids := &identities{msp: msp, wallet: wallet, log: log, byRole: make(map[role.Role]walletEntry)}
	for _, r := range role.All {
		e, err := ids.read(r)
		if errors.Is(err, fs.ErrNotExist) {
			log.Info("the wallet has no identity for a role: this process can't sign what needs it", slog.String("role", string(r)))
			continue
		}
		if err != nil {
			return nil, err
		}
		ids.byRole[r] = e
	}
	if len(ids.byRole) == 0 {
		return nil, fmt.Errorf("the wallet %s has no identity", wallet)
	}
	return ids, nil
}

// read reads the identity of a role. One that carries another role is refused: the
// contracts would refuse every command that it signs, and for good.
func (ids *identities) read(r role.Role) (walletEntry, error) {
	cert, key := connection.WalletFiles(ids.wallet, connection.RoleName(r))
	info, err := os.Stat(cert)
	if err != nil {
		return walletEntry{}, fmt.Errorf("identity: %w", err)
	}
	id, err := connection.ReadIdentity(ids.msp, cert, key)
	if err != nil {
		return walletEntry{}, err
	}
	carries, err := chaincode.RoleOf(id.Certificate)
	if err == nil && carries != r {
		err = fmt.Errorf("it carries the role %q, not %q", carries, r)
	}
	if err != nil {
		return walletEntry{}, fmt.Errorf("identity %s: %w", cert, err)
	}
	return walletEntry{id, info.ModTime()}, nil
}

// of returns the identity that carries a role, which the wallet may get later.
func (ids *identities) of(r role.Role) (*connection.Identity, error) {
	ids.mu.RLock()
	defer ids.mu.RUnlock()
	e, ok := ids.byRole[r]
	if !ok {
		return nil, fmt.Errorf("the wallet has no identity for role %q", r)
	}
	return e.Identity, nil
}

// any returns the identity with the least power, for what every member may do.
func (ids *identities) any() *connection.Identity {
	ids.mu.RLock()
	defer ids.mu.RUnlock()
	for _, r := range slices.Backward(role.All) {
		if e, ok := ids.byRole[r]; ok {
			return e.Identity
		}
	}
	panic("fabric: no identity") // there is one from the start
}

func (ids *identities) watch(ctx context.Context) error {
	tick := time.NewTicker(watchWallet)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			ids.refresh()
		}
	}
}

// refresh takes renewed and new certificates into use.
func (ids *identities) refresh() {
	for _, r := range role.All {
		fresh, err := ids.read(r)
		ids.mu.Lock()
		before, had := ids.byRole[r]
		if err == nil {
			ids.byRole[r] = fresh
		}
		ids.mu.Unlock()
		switch {
		case !had && errors.Is(err, fs.ErrNotExist):
		case err != nil:
			ids.log.Error("an identity in the wallet can't be used; the one before stays in use", slog.String("role", string(r)), slog.Any("err", err))
		case !fresh.modified.Equal(before.modified):
			ids.log.Info("a renewed identity is in use", slog.String("role", string(r)), slog.Time("notAfter", fresh.Certificate.NotAfter))
		}
	}
}
