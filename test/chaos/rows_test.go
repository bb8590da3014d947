package chaos_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// rows are the known failures of the ring and its store, each with the tests that
// would be red if we had it: directory and name, to which rows of other lists may
// be put in front.
var rows = map[string][][2]string{
	"F-05": {{"internal/submitter", "TestKF05PausedLeader"}, {"internal/outbox", "TestFence"}, {"internal/outbox", "TestPlans"}, {"test/crash", "TestTwoOfEverything"}},
	"F-06": {{"internal/submitter", "TestKF06UnknownOutcome"}, {"test/crash", "TestPoints"}, {"test/sim", "TestSimulation"}},
	"F-07": {{"internal/projector", "TestKF07CutAnywhere"}},
	"F-08": {{"internal/projector", "TestKF07CutAnywhere"}, {"internal/readmodel", "TestReplayIsRefused"}},
	"F-09": {{"internal/verifier", "TestRing"}, {"internal/readmodel", "TestRoles"}},
	"F-10": {{"internal/readmodel", "TestEveryEventHasAHandler"}, {"internal/projector", "TestMoneyPoison"}},
	"F-11": {{"internal/projector", "TestKF11TwoProjectors"}, {"internal/projector", "TestKF11Fencing"}, {"internal/platform/lease", "TestPausedLeaderDoesNoHarm"}, {"test/crash", "TestTwoOfEverything"}},
	"F-12": {{"internal/projector", "TestKF12BrokenChain"}},
	"F-13": {{"test/house", "TestKF13NoFloatsNearMoney"}},
	"F-14": {{"internal/submitter", "TestKF14Conflict"}, {"test/chaos", "TestKF14HotAccounts"}},
	"F-16": {{"contract", "TestTransferFees"}, {"internal/service", "TestQuoteAndFees"}},
	"F-17": {{"internal/ledger/embedded", "TestConformance"}, {"contract", "TestBootstrap"}},
	"F-18": {{"internal/projector", "TestKF18Idle"}},
	"F-19": {{"internal/submitter", "TestKF19Drain"}, {"internal/outbox", "TestRecover"}},
	"F-22": {{"internal/submitter", "TestKF22Outage"}, {"internal/outbox", "TestDead"}},
	"F-23": {{"contract", "TestFunctions"}, {"contract", "TestEveryCommandAlone"}},
	"F-28": {{"internal/submitter", "TestKF28Breaker"}},
	"F-29": {{"internal/platform/postgres", "TestMigrateAndCurrent"}},
	"F-33": {{"internal/submitter", "TestKF33Check"}},
	"F-37": {{"test/chaos", "TestKF37ExactlyOnceUnderRetries"}},
	"F-42": {{"test/chaos", "TestKF42Races"}},
}

// Whoever renames a test that a row rests on has to say so here.
func TestRows(t *testing.T) {
	for row, tests := range rows {
		for _, test := range tests {
			files, err := filepath.Glob(filepath.Join("../..", test[0], "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			found, declared := false, regexp.MustCompile(`func Test\w*`+strings.TrimPrefix(test[1], "Test")+`\(`)
			for _, name := range files {
				content, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				found = found || declared.Match(content)
			}
			if !found {
				t.Errorf("%s: there is no %s in %s", row, test[1], test[0])
			}
		}
	}
}
