/* A client: makes a journal in the folder it is given, talks, lists and pages.  Includes no header
 * but the library's, so that it shows that one suffices. */
#include <avchat.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct avj_error err;

static enum avj_status say(struct avj_store *store, const char *thread, const char *text)
{
    char id[AVJ_ID_TEXT];
    return avj_message_send(store, thread, "user", text, strlen(text), id, &err);
}

static enum avj_status talk(struct avj_store *store, char thread[AVJ_ID_TEXT])
{
    static const char *const texts[] = {"one", "two", "three", "four", "five"};
    enum avj_status s = avj_thread_new(store, "Counting", thread, &err);
    for (size_t i = 0; s == AVJ_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
        s = say(store, thread, texts[i]);
    return s;
}

static void show(const struct avj_doc *doc, const char *field)
{
    struct avj_slice text = avj_packed_text(doc->fields.data, doc->fields.len, field);
    printf(" %.*s", (int)text.len, (const char *)text.data);
}

static enum avj_status list(struct avj_store *store)
{
    const struct avj_doc *docs;
    size_t count;
    enum avj_status s = avj_store_list(store, AVJ_THREAD, &docs, &count, &err);
    for (size_t i = 0; s == AVJ_OK && i < count; i++) {
        printf("%zu messages in", docs[i].messages);
        show(&docs[i], "title");
        printf("\n");
    }
    return s;
}

/* Two at a time, from the newest back. */
static enum avj_status page(struct avj_store *store, const char *thread)
{
    const struct avj_doc *docs;
    char oldest[AVJ_ID_TEXT] = "";
    size_t count = 2;
    while (count == 2) {
        struct avj_page earlier = {
            .limit = 2, .from_end = true, .before = oldest[0] ? oldest : NULL};
        enum avj_status s = avj_store_page(store, thread, &earlier, &docs, &count, &err);
        if (s != AVJ_OK)
            return s;
        for (size_t i = 0; i < count; i++)
            show(&docs[i], "content");
        printf("\n");
        if (count > 0)
            snprintf(oldest, sizeof(oldest), "%s", docs[0].id);
    }
    return AVJ_OK;
}

static enum avj_status use(struct avj_store *store)
{
    char thread[AVJ_ID_TEXT];
    struct avj_store_status status;
    enum avj_status s = talk(store, thread);
    if (s == AVJ_OK)
        s = list(store);
    if (s == AVJ_OK)
        s = page(store, thread);
    if (s == AVJ_OK)
        s = avj_store_status(store, &status, &err);
    if (s == AVJ_OK)
        printf("%" PRIu64 " messages, version %s\n", status.visible[AVJ_MESSAGE], avj_version());
    return s;
}

int main(int argc, char **argv)
{
    struct avj_store *store = NULL;
    if (argc != 2)
        return 2;
    enum avj_status s = avj_store_create(argv[1], NULL, NULL, &err);
    if (s == AVJ_OK)
        s = avj_store_open(argv[1], NULL, &store, &err);
    if (s == AVJ_OK)
        s = use(store);
    if (s != AVJ_OK)
        fprintf(stderr, "%s\n", err.message);
    avj_store_close(store);
    return s == AVJ_OK ? 0 : 1;
}
