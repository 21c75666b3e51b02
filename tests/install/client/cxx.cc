// A client in C++: the headers are C's, and C++ takes them without a warning.
#include <avchat.h>

#include <cstdio>
#include <string>

static int fail(const avj_error &err)
{
    std::fprintf(stderr, "%s\n", err.message);
    return 1;
}

int main(int argc, char **argv)
{
    avj_error err;
    avj_store *store;
    char thread[AVJ_ID_TEXT], message[AVJ_ID_TEXT];
    const std::string text = "Hello from C++";

    if (argc != 2)
        return 2;
    if (avj_store_create(argv[1], nullptr, nullptr, &err) != AVJ_OK ||
        avj_store_open(argv[1], nullptr, &store, &err) != AVJ_OK)
        return fail(err);
    if (avj_thread_new(store, "First", thread, &err) != AVJ_OK ||
        avj_message_send(store, thread, "user", text.data(), text.size(), message, &err) != AVJ_OK)
        return fail(err);

    struct avj_doc doc;
    if (avj_store_get(store, AVJ_MESSAGE, message, &doc) != AVJ_OK)
        return 1;
    const avj_slice content = avj_packed_text(doc.fields.data, doc.fields.len, "content");
    std::printf("%s\n", std::string(static_cast<const char *>(content.data), content.len).c_str());
    avj_store_close(store);
    return 0;
}
