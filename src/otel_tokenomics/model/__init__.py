"""The words of the domain: call facts, usage buckets, money, attribution, records. Standard library only."""
