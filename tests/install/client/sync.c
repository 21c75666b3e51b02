/* A client of libavchat-net: a guest's journal has nothing to sync with, and the engine says so;
 * the embedded server begins, and ends when it is told to. */
#include <net/engine.h>
#include <net/serve.h>

#include <stdio.h>

static volatile sig_atomic_t stop;

static void end_it(void *arg, const char *host, int port)
{
    (void)arg;
    printf("%s, a port: %s\n", host, port > 0 ? "yes" : "no");
    stop = 1;
}

int main(int argc, char **argv)
{
    struct avj_error err;
    struct avj_store *store;
    if (argc != 2)
        return 2;
    if (avj_store_create(argv[1], NULL, NULL, &err) != AVJ_OK ||
        avj_store_open(argv[1], NULL, &store, &err) != AVJ_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    struct avj_engine_options once = {.timeout_ms = 1000};
    enum avj_status s = avj_engine_run(store, &once, NULL, &err);
    printf("%s\n", avj_status_text(s));
    struct avj_serve_options briefly = {.stop = &stop, .listening = end_it};
    printf("%s\n", avj_status_text(avj_serve_run(store, &briefly, &err)));
    avj_store_close(store);
    return 0;
}
