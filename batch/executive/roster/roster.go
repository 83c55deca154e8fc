// Package roster is the life of a batch in the list of a manager: where it stands, what may happen to it, and what its number is.
//
// Start with [Move]. Like every package of the house that decides, it is a table and does nothing: the manager writes down what the table
// allows and then does it, and carries on from what is written when it comes up again. So a manager may die at any step.
//
// The rule that must not be broken: no arc leads from Lost to where equipment is given to others but by Clearing, and none to another process
// for the same batch but by Restarting. In both the tokens are raised first.
//
// The life:
//
//	stateDiagram-v2
//	    [*] --> none
//	    Active --> Lost: exit
//	    Active --> Ended: heard Ended
//	    Active --> Clearing: remove by force
//	    Active --> Lost: silent
//	    Clearing --> Removed: cleared
//	    Ended --> Lost: exit
//	    Ended --> Removing: remove
//	    Ended --> Clearing: remove by force
//	    Ended --> Lost: silent
//	    Load Failed --> Lost: exit
//	    Load Failed --> Active: heard Active
//	    Load Failed --> Ended: heard Ended
//	    Load Failed --> Ready: heard Ready
//	    Load Failed --> Removing: remove
//	    Load Failed --> Clearing: remove by force
//	    Load Failed --> Lost: silent
//	    Loading --> Lost: exit
//	    Loading --> Active: heard Active
//	    Loading --> Ended: heard Ended
//	    Loading --> Load Failed: heard Load Failed
//	    Loading --> Ready: heard Ready
//	    Loading --> Load Failed: overdue
//	    Loading --> Clearing: remove by force
//	    Loading --> Lost: silent
//	    Lost --> Active: heard Active
//	    Lost --> Ended: heard Ended
//	    Lost --> Load Failed: heard Load Failed
//	    Lost --> Loading: heard Loading
//	    Lost --> Ready: heard Ready
//	    Lost --> Clearing: remove
//	    Lost --> Clearing: remove by force
//	    Lost --> Clearing: restart cold
//	    Lost --> Restarting: restart warm
//	    Ready --> Lost: exit
//	    Ready --> Active: heard Active
//	    Ready --> Ended: heard Ended
//	    Ready --> Removing: remove
//	    Ready --> Clearing: remove by force
//	    Ready --> Lost: silent
//	    Removing --> Clearing: exit
//	    Removing --> Active: heard Active
//	    Removing --> Ended: heard Ended
//	    Removing --> Load Failed: heard Load Failed
//	    Removing --> Ready: heard Ready
//	    Removing --> Clearing: remove by force
//	    Restarting --> Loading: fenced
//	    Restarting --> Clearing: remove by force
//	    none --> Loading: create
//
// The package decides where a batch stands. It does not know processes, sockets, files or time.
package roster
