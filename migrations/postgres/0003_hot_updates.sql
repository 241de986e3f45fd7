-- Room on each page, so that a rotation rewrites its row in place (heap-only tuples).
ALTER TABLE grants SET (fillfactor = 70);
ALTER TABLE sessions SET (fillfactor = 70);
