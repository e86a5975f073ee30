// Shows one moment of a VM at a time. Without scripts all are there, one below the other.
for (const vm of document.querySelectorAll(".vm")) {
  const moments = vm.querySelectorAll(".moment");
  const control = vm.querySelector(".moments");
  if (moments.length < 2) continue;
  const slider = control.querySelector("input");
  const button = control.querySelector("button");
  let timer = 0;
  const show = (index) => {
    slider.value = index;
    moments.forEach((moment, at) => { moment.hidden = at !== index; });
  };
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  button.addEventListener("click", () => {
    if (timer) { stop(); return; }
    button.textContent = "Stop";
    timer = setInterval(() => show((Number(slider.value) + 1) % moments.length), 1000);
  });
  control.hidden = false;
  // "#0" in the address opens the first moment; else the last one is shown.
  const asked = location.hash === "" ? NaN : Number(location.hash.slice(1));
  show(asked >= 0 && asked < moments.length ? asked : moments.length - 1);
}
