// Messages to other batches: sent once, taken once, called off, and refused with the reason that the manager gives.

package host

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
)

// talks is the recipe, with a phase that sends and one that takes.
func talks(s *site, group string) {
	s.replace("recipe.yaml", "    - id: ASK\n", `    - id: SAY
      level: phase
      timeout: 1 h
      actions:
        - request: {type: post, with: {group: transfer, message: ready}}
        - request: {type: take, with: {group: transfer}}
        - request: {type: meet, with: {group: transfer, message: done, partners: 2}}
    - id: ASK
`)
	if group != "" {
		s.order.Groups = map[string]string{"transfer": group}
	}
}

// said waits until the manager was asked something of a message, and returns its key.
func (s *site) said(do string) (key string) {
	s.t.Helper()
	s.until(func(api.Batch) bool {
		for _, a := range s.office.heard() {
			if strings.HasPrefix(a, do+" ") {
				key = a[strings.LastIndex(a, " ")+1:]
			}
		}
		return key != ""
	})
	return key
}

func (s *site) rule(r api.Ruling) {
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	s.office.tell(r)
}

func TestMessagesAreSentTakenAndMet(t *testing.T) {
	inBubble(t, func(s *site) {
		talks(s, "XFER-7")
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		key := s.said("take")
		require.Contains(t, s.office.heard(), "post XFER-7 ready 0 J-1/"+before(key))
		s.rule(api.Ruling{Kind: "delivered", Key: key, Message: "full", From: "B-0002"})
		key = s.said("meet")
		require.Contains(t, s.office.heard(), "meet XFER-7 done 2 "+key)
		s.rule(api.Ruling{Kind: "delivered", Key: key, Message: "done", From: "B-0002"})
		b := s.until(func(b api.Batch) bool { return len(b.Prompts) > 0 })
		results := s.records("evidence/journal", record.KindActionResult)
		require.Equal(t, []string{"message=full", "from=B-0002"}, results[1].Texts(record.Values))
		s.post("answers", &api.PromptAnswer{Prompt: b.Prompts[0].ID, Value: "ok"})
		s.lives(api.Ended)
		s.removed()
	})
}

// before is the number before that at the end of a key.
func before(key string) string {
	n := key[len(key)-1]
	return string(n - 1)
}

func TestAMessageThatIsCalledOffIsAskedForAnewUnderItsName(t *testing.T) {
	inBubble(t, func(s *site) {
		talks(s, "XFER-7")
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		key := s.said("take")
		s.tell("hold")
		s.until(func(b api.Batch) bool { return b.State == "Held" })
		require.Equal(t, key, s.said("forget"))
		s.tell("restart")
		time.Sleep(2 * time.Second)
		again := slices.DeleteFunc(s.office.heard(), func(a string) bool { return !strings.HasPrefix(a, "take ") && !strings.HasPrefix(a, "post ") })
		require.Len(t, again, 3)
		require.Equal(t, again[1], again[2], "the same take under the same name, and no second post")
		s.rule(api.Ruling{Kind: "unanswered", Key: key, Reason: "B-0002: removed"})
		b := s.until(func(b api.Batch) bool { return b.State == "Held" })
		require.Contains(t, b.Reason, "removed")
		s.tell("abort")
		s.lives(api.Ended)
		s.removed()
	})
}

func TestABatchWithoutTheGroupOfItsRecipeIsNotLoaded(t *testing.T) {
	inBubble(t, func(s *site) {
		talks(s, "")
		s.runtime()
		s.begin()
		require.Contains(t, s.lives(api.LoadFailed).Reason, `the group "transfer"`)
		s.quit()
		<-s.ended
	})
}

func TestAMessageThatComesBeforeItIsWaitedForWaits(t *testing.T) {
	inBubble(t, func(s *site) {
		talks(s, "XFER-7")
		s.rule(api.Ruling{Kind: "delivered", Key: "J-1/3", Message: "early", From: "B-0002"})
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.said("meet")
		s.tell("abort")
		s.lives(api.Ended)
		s.removed()
	})
}
