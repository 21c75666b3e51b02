# Turns a file into a C array: cmake -DIN=FILE -DOUT=FILE.c -DNAME=SYMBOL -P binary_to_c.cmake
file(READ "${IN}" bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR len "${digits} / 2")
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUT}" "#include <stddef.h>
#include <stdint.h>

extern const uint8_t ${NAME}[];
extern const size_t ${NAME}_len;
const uint8_t ${NAME}[] = {
${bytes}};
const size_t ${NAME}_len = ${len};
")
