// What production needs of others: the contracts, which whoever uses it hands in.

package production

import (
	"context"
	"errors"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
)

// Batches has processes run as batches. Its methods may be called from any goroutine. What is refused is an *api.Error; after any other error nobody knows
// whether it was carried out, and it is asked again.
type Batches interface {
	// Create has a batch made and started, by the id that it is given, and gives it as it stands. One that is there already is given as it is, Removed among
	// them: whoever asks twice gets one batch. One of that id that is of another recipe is refused.
	Create(ctx context.Context, c *api.Create) (api.Batch, error)
	// Tell orders something of a batch.
	Tell(ctx context.Context, id string, c *api.Command) error
	// Remove takes a batch away that is not under way. What it leaves on the disk stays.
	Remove(ctx context.Context, id string, r *api.Removal) error
	// Restart takes a batch that is Lost up where it was: it comes up Held.
	Restart(ctx context.Context, id string, r *api.Restart) error
	// Watch calls heard with all that are there, whole true, and then with those that change; one that is gone comes once as Removed, with the State that it
	// came to where that is known; where it is "" the ledger of the manager is asked. What a batch has is named by the ids of the equipment model. It blocks
	// until ctx ends, or nobody tells any more, or heard returns an error.
	Watch(ctx context.Context, heard func(list []api.Batch, whole bool) error) error
}

// ErrNoRecipe: a provider has no recipe of that id. The jobs that need it are set aside, and nothing else.
var ErrNoRecipe = errors.New("production: there is no such recipe")

// Provided is a recipe as its provider knows it.
type Provided struct {
	Product  string // that it makes; "": the order says
	NoResume string // why a batch of it that was cut off hard may not be resumed; "": it may
	Triggers []jobs.Trigger
}

// RecipeProvider knows recipes. A job names its provider and the id of its recipe; the provider "" is the runtime server, unless another one is given for it.
type RecipeProvider interface {
	// Recipe gives a recipe, or ErrNoRecipe. After any other error it is asked again.
	Recipe(ctx context.Context, id string) (Provided, error)
}

// OrderCheck may be implemented by a RecipeProvider that can tell at once whether a recipe can be run as a planner orders it: what cannot does not come into
// the list.
type OrderCheck interface {
	// Takes refuses an order that no batch could be made of, such as for a size that the recipe does not go to. What it does not know, such as the recipe, it
	// takes. It waits for nobody.
	Takes(o *jobs.Order) error
}

// Article is what a process has made.
type Article struct {
	ID      string // for ever: whoever is told twice has one article
	Product string
	Process string // and batch
	Job     string
	Run     string // unit run that is linked to the process; "": none
}

// ProductManagement is told of each article.
type ProductManagement interface {
	// Article takes an article. It is told again, with the same id, until it has returned nil.
	Article(ctx context.Context, a Article) error
}

// ResourceManagement knows what an activity needs: equipment and what it can do. Arbitration answers.
type ResourceManagement interface {
	// Has tells whether a resource that may be used has a capability. It is asked for what there is to set up.
	Has(ctx context.Context, capability string) (bool, error)
	// Holdings tells who has what, since when, and who waits.
	Holdings(ctx context.Context) (api.Holdings, error)
}

// Ready may be implemented by whoever fulfils a contract: production starts when it has returned nil. An error is tried again, ctx ends with the start.
type Ready interface {
	Ready(ctx context.Context) error
}

// Needs are what production needs. Batches, Products and Resources are required.
type Needs struct {
	Batches   Batches
	Products  ProductManagement
	Resources ResourceManagement
	Recipes   map[string]RecipeProvider // by name, which is an identifier or ""; nil: of none a recipe is known
	Store     Store                     // nil: nothing is fed
	Runs      *RunNeeds                 // nil: there are no unit runs
}

// Recorded is the product management of a plant that has no other: the record of the article is all that there is of it.
type Recorded struct{}

// Article implements ProductManagement.
func (Recorded) Article(context.Context, Article) error { return nil }
