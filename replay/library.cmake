# How the public libraries are made and installed: libavchat (replay/) and libavchat-net (net/), each shared and static,
# of the very objects that the programs and the tests are made of.

set(avj_headers ${CMAKE_INSTALL_INCLUDEDIR}/avchat-journal)
set(avj_package ${CMAKE_INSTALL_LIBDIR}/cmake/avchat)

# avj_public_library(TARGET name          targets are name_shared and name_static
#     OUTPUT file EXPORT name             libFILE.so, libFILE.a; avchat::NAME, avchat::NAME-static
#     PARTS target...                     static libraries whose objects it is made of
#     USES target...                      what these objects need, known to no client of the shared library
#     ON name                             the public library that it stands on, or nothing
#     HEADERS file... TOP file...)        installed in the folders they have here; and without a folder
function(avj_public_library)
    cmake_parse_arguments(lib "" "TARGET;OUTPUT;EXPORT;ON" "PARTS;USES;HEADERS;TOP" ${ARGN})
    list(TRANSFORM lib_HEADERS PREPEND ${PROJECT_SOURCE_DIR}/)
    list(TRANSFORM lib_TOP PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    foreach(part ${lib_PARTS})
        list(APPEND objects $<TARGET_OBJECTS:${part}>)
    endforeach()
    foreach(kind shared static)
        string(TOUPPER ${kind} type)
        set(target ${lib_TARGET}_${kind})
        set(suffix $<$<STREQUAL:${kind},static>:-static>)
        add_library(${target} ${type} ${objects})
        set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME ${lib_OUTPUT}
            VERIFY_INTERFACE_HEADER_SETS ON)
        target_sources(${target} PUBLIC
            FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${lib_HEADERS})
        if(lib_TOP)
            target_sources(${target} PUBLIC FILE_SET top TYPE HEADERS
                BASE_DIRS ${CMAKE_CURRENT_SOURCE_DIR} FILES ${lib_TOP})
            set(top FILE_SET top DESTINATION ${avj_headers} COMPONENT development)
        endif()
        target_link_libraries(${target} PRIVATE ${lib_USES})
        if(lib_ON)
            target_link_libraries(${target} PUBLIC ${lib_ON}_${kind})
        endif()
        install(TARGETS ${target} EXPORT ${lib_OUTPUT}-${kind}
            ARCHIVE COMPONENT development
            LIBRARY COMPONENT library NAMELINK_COMPONENT development
            FILE_SET HEADERS DESTINATION ${avj_headers} COMPONENT development ${top})
        install(EXPORT ${lib_OUTPUT}-${kind} NAMESPACE avchat:: DESTINATION ${avj_package} COMPONENT development)
    endforeach()
    # Until 1.0 a client is compiled anew for every minor version.
    set_target_properties(${lib_TARGET}_shared PROPERTIES EXPORT_NAME ${lib_EXPORT} INSTALL_RPATH "$ORIGIN"
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    set_target_properties(${lib_TARGET}_static PROPERTIES EXPORT_NAME ${lib_EXPORT}-static)
    if(AVJ_SANITIZE) # its runtime comes with the program
        target_link_options(${lib_TARGET}_shared PRIVATE -fsanitize=${AVJ_SANITIZE})
    else()
        target_link_options(${lib_TARGET}_shared PRIVATE LINKER:--no-undefined)
    endif()
endfunction()

# A .pc file knows where it lies by itself, so that what is installed can be moved.
function(avj_pkg_config file)
    file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" to_prefix "${to_prefix}")
    configure_file(${file}.in ${file} @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${file} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT development)
endfunction()
