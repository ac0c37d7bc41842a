"""Hard budgets: the worst case is held before a call, what it cost is settled after, none is overspent."""
