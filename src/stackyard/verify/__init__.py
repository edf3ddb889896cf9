"""The proof: boots VMs on the running site, lets them talk, and looks at the wire."""
