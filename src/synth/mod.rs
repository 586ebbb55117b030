//! Synthetic traces: decoded packets and PCAP files.
