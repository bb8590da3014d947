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
	d.RegisterStatus("/transfers/{commandId}/status", "getTransferStatus")
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/wallets", ID: "listWallets", Summary: "Your wallets: none before you are on the ledger",
		Policy: door.Policy{Customer: true}, Cache: door.CachePrivate}, s.wallets)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/wallets/{profileId}/balance", ID: "getBalance", Summary: "Your balance",
		Policy: own, Cache: door.CachePrivate}, s.balance)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/wallets/{profileId}/transactions", ID: "listTransactions", Summary: "Your statement, newest first",
		Policy: own, Cache: door.CachePrivate}, s.transactions)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/wallets/{profileId}/dashboard", ID: "getDashboard", Summary: "Your balance, what happened last, and your velocity tax",
		Policy: own, Cache: door.CachePrivate}, s.dashboard)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/transactions/{offTxId}", ID: "getTransaction", Summary: "A line of your statement",
		Policy: door.Policy{Customer: true}, Cache: door.CachePrivate}, s.transaction)
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

	viewer := door.Policy{Staff: door.TreasuryView}
	move := door.Policy{Staff: door.TreasuryTransfer}
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/treasury/{countryCode}/transactions", ID: "listTreasuryTransactions",
		Summary: "The statement of a treasury, newest first", Policy: door.Policy{Object: door.Treasury, Staff: door.TreasuryView}, Cache: door.CachePrivate}, s.treasuryHistory)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/pools/{pool}/transactions", ID: "listPoolTransactions",
		Summary: "The statement of a system pool, newest first", Policy: viewer}, s.poolHistory)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/pools/{pool}/disbursements", ID: "disburseFromPool", Summary: "Pay from a system pool, without a fee",
		Policy: move, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.disburse)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/transfers/internal", ID: "transferInternal", Summary: "Move money to or from a system account or a treasury, without a fee",
		Policy: move, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.transferInternal)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/genesis", ID: "repairGenesis", Summary: "Give a person the genesis allocation that is missing",
		Policy: door.Policy{Staff: door.GenesisDistribute}, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.repairGenesis)
}
