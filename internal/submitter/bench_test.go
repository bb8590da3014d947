package submitter

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger/embedded"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
)

// trivial is a contract that writes a receipt of each command.
func trivial(s contract.Stub, _ string, args []string) ([]byte, error) {
	var items []contract.BatchItem
	if err := json.Unmarshal([]byte(args[0]), &items); err != nil {
		return nil, err
	}
	results := make([]contract.BatchResult, len(items))
	for i, item := range items {
		if err := s.Put("receipt "+item.ID, []byte("x")); err != nil {
			return nil, err
		}
		results[i] = contract.BatchResult{ID: item.ID, Outcome: event.Applied}
	}
	return json.Marshal(results)
}

// fill puts n payments of strangers into the outbox, without the services.
func (r *rig) fill(n int) {
	r.t.Helper()
	ids := people()
	rows := pgx.CopyFromSlice(n, func(i int) ([]any, error) {
		payload, err := command.Encode(&command.TransferTokens{FromID: ids[2*i%len(ids)], ToID: ids[(2*i+1)%len(ids)], Amount: 1, Remark: "lunch"})
		id := uuid.Must(uuid.NewV7())
		now := time.Now()
		return []any{id, "TRANSFER_TOKENS", []byte(payload), "customer:" + ids[2*i%len(ids)], "POST /transfers", id.String(), now, now}, err
	})
	if _, err := r.owner.CopyFrom(r.t.Context(), pgx.Identifier{"app", "commands"},
		[]string{"id", "type", "payload", "principal", "route", "idempotency_key", "next_at", "created_at"}, rows); err != nil {
		r.t.Fatal(err)
	}
}

// BenchmarkSubmitter takes commands that wait in the outbox to their end on the
// embedded ledger.
func BenchmarkSubmitter(b *testing.B) {
	for _, size := range []int{500, 1000} {
		for _, pipeline := range []int{2, 4} {
			b.Run(fmt.Sprintf("batch=%d/pipeline=%d", size, pipeline), func(b *testing.B) {
				r := newRig(b)
				l := embedded.New(r.db.Pool(b, "gx_ledger"), trivial, embedded.Options{})
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error, 1)
				go func() { done <- l.Run(ctx) }()
				defer func() { cancel(); <-done }()
				r.fill(b.N)
				r.exec("VACUUM ANALYZE app.commands")
				b.ResetTimer()
				reg := prometheus.NewRegistry()
				r.start(New(r.pool, l, Options{Outbox: r.outbox, MaxBatch: size, Pipeline: pipeline, Registerer: reg}))
				eventually(b, "all commands are committed", func() bool { return metric(b, reg, "outbox_commands_processed_total") == float64(b.N) })
				b.StopTimer()
				if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'COMMITTED'"); n != b.N {
					b.Fatalf("%d of %d committed", n, b.N)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
			})
		}
	}
}
