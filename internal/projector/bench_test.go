package projector

import (
	"fmt"
	"testing"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
)

// BenchmarkCatchUp applies payments among 1000 people, 50 a transaction, in
// blocks of the size named; one op is one payment (five rows and two balances).
func BenchmarkCatchUp(b *testing.B) {
	for _, perBlock := range []int{1, 10} {
		b.Run(fmt.Sprint(perBlock, " tx a block"), func(b *testing.B) {
			db := pgtest.New(b)
			owner := db.Pool(b, "")
			if _, err := owner.Exec(b.Context(), `INSERT INTO app.leases VALUES ('projector:gx', 'bench', 1, now() + interval '1 hour')`); err != nil {
				b.Fatal(err)
			}
			e, chain := readmodeltest.NewEconomy(), readmodeltest.NewChain()
			var people []readmodeltest.Command
			for i := range 1000 {
				people = append(people, e.CreateUser(fmt.Sprint("user", i), "AE", readmodeltest.Epoch))
			}
			chain.Append(e.Tx(e.Bootstrap(), e.AddCountries("AE")))
			chain.Append(e.Tx(people...))
			for n := 0; n < b.N; {
				var txs []ledger.BlockTx
				for range perBlock {
					var payments []readmodeltest.Command
					for range 50 {
						payments = append(payments, e.Transfer(e.Users[n%1000], e.Users[(n*7+1)%1000], 5, 1, ""))
						n++
					}
					txs = append(txs, e.Tx(payments...))
				}
				chain.Append(txs...)
			}
			height, _ := chain.Height(b.Context())
			s := &session{Projector: New(db.Pool(b, "gx_projector"), chain, Options{}), term: lease.Term{Name: "projector:gx", Fence: 1}}
			ctx := b.Context()
			if err := s.start(ctx); err != nil {
				b.Fatal(err)
			}
			blocks := make(chan *block, ahead)
			go func() {
				defer close(blocks)
				_ = s.read(ctx, s.at, blocks)
			}()
			b.ResetTimer()
			for s.at.Block < int64(height)-1 {
				if err := s.apply(ctx, s.gather(<-blocks, blocks)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
