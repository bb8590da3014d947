// Package tokenomics is the door of money: wallets, payments, treasuries, pools
// and freezes (api.md 2.2, 2.3).
package tokenomics

import (
	"context"
	"net/http"
	"time"

	"gxcoin.money/gx/internal/platform/coalesce"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/rates"
)

type tokenomics struct {
	*door.Door
	rates  *rates.Rates
	supply *supplyCache
	lookup *coalesce.Group[between, parties]
}

// Register adds the routes of the tokenomics service.
func Register(d *door.Door) {
	s := tokenomics{Door: d, rates: rates.New(d.Pool, d.Clock), supply: &supplyCache{}}
	s.lookup = coalesce.New(lookups, func(ctx context.Context, q []between) ([]parties, error) { return readParties(ctx, d.Pool, q) })
	public := door.Policy{Public: true}
	own := door.Policy{Object: door.Profile}

	door.Register(d, door.Route{Method: http.MethodPost, Path: "/transfers", ID: "createTransfer", Summary: "Pay someone; waits with Prefer: wait=N",
		Policy: door.Policy{Customer: true}, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.transfer)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/transfers/quote", ID: "quoteTransfer", Summary: "What a payment to someone costs",
		Policy: door.Policy{Customer: true}}, s.quote)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/wallets/{profileId}/balance", ID: "getBalance", Summary: "Your balance",
		Policy: own, Cache: door.CachePrivate}, s.balance)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/wallets/{profileId}/transactions", ID: "listTransactions", Summary: "Your statement, newest first",
		Policy: own, Cache: door.CachePrivate}, s.transactions)
	door.RegisterStream(d, door.Route{Method: http.MethodGet, Path: "/wallets/{profileId}/events", ID: "streamWallet", Summary: "New lines of your statement, as events",
		Policy: own}, s.events)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/wallets/{profileId}/genesis", ID: "getGenesis", Summary: "Your genesis allocation",
		Policy: own, Cache: door.CachePrivate}, s.genesis)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/wallets/{walletId}/freeze", ID: "freezeWallet", Summary: "Freeze an account",
		Policy: door.Policy{Staff: door.WalletFreeze}, Limit: door.ClassFreeze, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.freeze)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/wallets/{walletId}/unfreeze", ID: "unfreezeWallet", Summary: "End a freeze",
		Policy: door.Policy{Staff: door.WalletUnfreeze}, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.unfreeze)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/treasury/{countryCode}/balance", ID: "getTreasury", Summary: "A national treasury",
		Policy: public, Cache: door.CachePublic(30 * time.Second)}, s.treasury)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/supply", ID: "getSupply", Summary: "Where all the money is",
		Policy: public, Cache: door.CachePublic(supplyFresh)}, s.getSupply)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/pools", ID: "listPools", Summary: "The system pools",
		Policy: public, Cache: door.CachePublic(supplyFresh)}, s.pools)
}
