/*
 * The embedded upstream: an Appwrite-compatible server over one journal (accounts, sessions, rows
 * as `server` entries of that journal). One thread; blocks while it runs.
 */
#ifndef AVJ_SERVE_H
#define AVJ_SERVE_H

#include "replay/store.h"

#include <signal.h>

AVJ_BEGIN_C

struct avj_deployment;

struct avj_serve_options {                   /* zero is the default */
    const char *host;                        /* NULL: 127.0.0.1 */
    int port;                                /* 0: one the system picks */
    const char *project;                     /* NULL: any project id is taken */
    const struct avj_deployment *deployment; /* NULL: collections with all attributes; others are
                                                for tests (serve_schema.h) */
    bool no_rate_limit;                      /* as Appwrite's _APP_OPTIONS_ABUSE=disabled */
    const volatile sig_atomic_t *stop;
    int stop_fd; /* readable when *stop was set, 0 or -1: none */
    /* Called once, when the server answers, with the port it listens on. */
    void (*listening)(void *arg, const char *host, int port);
    void *listening_arg;
};

/* Serves until stopped.  Errors: AVJ_EINVAL (the journal has an upstream: it can not be one),
 * AVJ_EIO (the port is taken; message says so), AVJ_ENOMEM, and those of the journal. */
AVJ_API AVJ_CHECKED enum avj_status avj_serve_run(struct avj_store *store,
                                                  const struct avj_serve_options *options,
                                                  struct avj_error *err);

AVJ_END_C

#endif
