"""Who is who: identities, the proofs between them, and the codes that are to prove more."""
