//! Capture files to traces: reader, decoder, assembler.
