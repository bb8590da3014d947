package embedded

import (
	"crypto/sha256"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gxcoin.money/gx/internal/ledger"
)

var asDecoded = cmp.Options{cmp.AllowUnexported(transaction{}, version{}, keyRange{}), cmpopts.EquateEmpty()}

func transactions() *rapid.Generator[*transaction] {
	return rapid.Custom(func(t *rapid.T) *transaction {
		key := rapid.StringN(1, 40, maxKeyLength)
		name := rapid.StringMatching(`[A-Za-z:ü]{0,20}`)
		digest := rapid.Custom(func(t *rapid.T) [sha256.Size]byte {
			return sha256.Sum256([]byte(rapid.String().Draw(t, "digested")))
		})
		tx := &transaction{
			creator: name.Draw(t, "creator"), channel: name.Draw(t, "channel"), function: name.Draw(t, "function"),
			args: digest.Draw(t, "args"), time: time.UnixMicro(rapid.Int64Range(-1<<40, 1<<52).Draw(t, "time")).UTC(),
			reads: rapid.MapOf(key, rapid.Custom(func(t *rapid.T) version {
				if rapid.Bool().Draw(t, "absent") {
					return absent
				}
				return version{rapid.Int64Range(0, 1<<62-1).Draw(t, "block"), rapid.Int32Range(0, math.MaxInt32).Draw(t, "index")}
			})).Draw(t, "reads"),
			ranges: rapid.SliceOf(rapid.Custom(func(t *rapid.T) keyRange {
				return keyRange{key.Draw(t, "start"), key.Draw(t, "end"), digest.Draw(t, "digest")}
			})).Draw(t, "ranges"),
			writes: rapid.MapOf(key, rapid.Custom(func(t *rapid.T) []byte {
				if rapid.Bool().Draw(t, "delete") {
					return nil
				}
				return rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "value")
			})).Draw(t, "writes"),
		}
		copy(tx.nonce[:], rapid.SliceOfN(rapid.Byte(), nonceLength, nonceLength).Draw(t, "nonce"))
		if event := name.Draw(t, "event"); event != "" {
			tx.event = &ledger.Event{Name: event, Payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload")}
		}
		tx.id = txID(tx.nonce, tx.creator)
		tx.encode()
		return tx
	})
}

func TestEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tx := transactions().Draw(t, "transaction")
		got, err := decode(tx.bytes)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tx, got, asDecoded); diff != "" {
			t.Fatal(diff)
		}
		cut := rapid.IntRange(0, tx.head-1).Draw(t, "cut")
		if _, err := decode(sealed(tx.bytes[:cut])); err == nil {
			t.Fatalf("accepted, cut at %d of %d", cut, tx.head)
		}
	})
}

// sealed gives arbitrary bytes a right format and checksum.
func sealed(b []byte) []byte {
	out := append([]byte{format}, make([]byte, sha256.Size)...)
	if len(b) > len(out) {
		out = append(out, b[len(out):]...)
	}
	sum := sha256.Sum256(out[1+sha256.Size:])
	copy(out[1:], sum[:])
	return out
}

func TestArgsAreDigestedApart(t *testing.T) {
	if digestArgs([]string{"a", "bc"}) == digestArgs([]string{"ab", "c"}) {
		t.Error("the boundary between arguments does not count")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	for seed := range 5 {
		f.Add(transactions().Example(seed).bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		decode(b)
		tx, err := decode(sealed(b))
		if err != nil {
			return
		}
		again := *tx
		again.encode()
		same, err := decode(again.bytes)
		if err != nil {
			t.Fatal(err)
		}
		again.id = same.id
		if diff := cmp.Diff(&again, same, asDecoded); diff != "" {
			t.Fatal(diff)
		}
	})
}
