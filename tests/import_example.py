"""What one's own tool writes for `syntrace import`: python3 import_example.py FOLDER (needs numpy)."""
import pathlib, struct, sys
import numpy as np

OUT, RNG = pathlib.Path(sys.argv[1]), np.random.RandomState(7)

def capture(path, ports):  # a PCAP with one UDP flow of two packets for each port
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, port in enumerate(ports):
            for back, (a, b) in enumerate([(1, 2), (2, 1)]):
                ends = (53, port) if back else (port, 53)
                frame = bytes([2, 0, 0, 0, 0, b, 2, 0, 0, 0, 0, a, 8, 0]) + struct.pack(
                    ">BBHHHBBH4B4B4H", 69, 0, 28, number, 0, 64, 17, 0, 10, 0, 0, a, 10, 0, 0, b, *ends, 8, 0)
                file.write(struct.pack("<IIII", 1600000000 + number, 1000 * back, 42, 42) + frame)

capture(OUT / "real/mac.pcap", range(2000, 2060))  # trace k begins at packet 2 k of this capture
text = 'generator = "mygan"\ndataset = "os"\nclass = "mac"\n'
for model, first in [("target", 0), ("shadow0", 30), ("shadow1", 30)]:
    traces, member = first + RNG.permutation(30)[:20], np.arange(20) < 10
    capture(OUT / model / "synthetic.pcap", 2000 + traces[member])  # this model repeats its members
    lines = [f"mac.pcap#{2 * trace},{int(flag)}" for trace, flag in zip(traces, member)]
    (OUT / model / "members.csv").write_text("\n".join(["trace,member", *lines, ""]))
    np.save(OUT / model / "critic.npy", (RNG.normal(size=(20, 4)) + 2 * member[:, None]).astype(np.float32))
    np.save(OUT / model / "loss.npy", RNG.normal(size=20) - member)
    (OUT / model / "log.csv").write_text("epoch,train_loss,held_out_loss\n0,1.5,1.6\n1,0.5,1.7\n")
    text += f'\n[[model]]\n{"" if model == "target" else f"shadow = {model[6:]}"}\nsynthetic = ["{model}/synthetic.pcap"]\nmembers = "{model}/members.csv"\nlog = "{model}/log.csv"\nattributes = [{{ file = "{model}/critic.npy", loss = "{model}/loss.npy" }}]\n'
(OUT / "import.toml").write_text(text)
